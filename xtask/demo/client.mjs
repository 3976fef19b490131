// The application of the demo: an ordinary ioredis client that counts in a cluster, once every
// 200 ms, and prints what goes wrong. Argument: a file of lines "address name:port", which stands
// for the DNS of the cluster and is read anew for each look-up.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import process from "node:process";

// The packages live in the cache folder that the caller names, not beside this file.
const require = createRequire(process.env.SLOTWRIGHT_DEMO_MODULES + "/");
const { Cluster } = require("ioredis");

function names() {
  const lines = readFileSync(process.argv[2], "utf8").trim().split("\n");
  return lines.map((line) => {
    const [address, host, port] = line.split(/[ :]/);
    return { address, host, port: Number(port) };
  });
}

const cluster = new Cluster(
  names().map(({ host, port }) => ({ host, port })),
  {
    clusterRetryStrategy: () => 500,
    dnsLookup: (host, done) => {
      const known = names().find((name) => name.host === host);
      done(null, known ? known.address : host);
    },
  },
);

let served = 0;
let told = "";
let failing = false;
function tell(line) {
  if (line !== told) console.log(line);
  told = line;
}

cluster.on("error", (error) => {
  failing = true;
  const last = error.lastNodeError ? ` (last node: ${error.lastNodeError.message})` : "";
  tell(`[ioredis] Unhandled error event: ${error.name}: ${error.message}${last}`);
});

setInterval(async () => {
  const key = `demo:${served % 1000}`;
  try {
    await cluster.incr(key);
    served += 1;
    if (served === 1) tell("served the first request");
    if (failing) tell(`served again: request ${served}`);
    failing = false;
  } catch (error) {
    failing = true;
    tell(`request failed: ${error.message}`);
  }
}, 200);

process.on("SIGTERM", () => process.exit(0));
