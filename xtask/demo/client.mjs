// The application of the demo: an ordinary ioredis client that counts in a cluster, once every
// 200 ms, and prints what goes wrong. Arguments: host:port of the start-up nodes.
import { createRequire } from "node:module";
import process from "node:process";

// The packages live in the cache folder that the caller names, not beside this file.
const require = createRequire(process.env.SLOTWRIGHT_DEMO_MODULES + "/");
const { Cluster } = require("ioredis");

const seeds = process.argv.slice(2).map((seed) => {
  const at = seed.lastIndexOf(":");
  return { host: seed.slice(0, at), port: Number(seed.slice(at + 1)) };
});
const cluster = new Cluster(seeds, { clusterRetryStrategy: () => 500 });

let served = 0;
let told = "";
function tell(line) {
  if (line !== told) console.log(line);
  told = line;
}

cluster.on("error", (error) => {
  const last = error.lastNodeError ? ` (last node: ${error.lastNodeError.message})` : "";
  tell(`[ioredis] Unhandled error event: ${error.name}: ${error.message}${last}`);
});

setInterval(async () => {
  const key = `demo:${served % 1000}`;
  try {
    await cluster.incr(key);
    served += 1;
    if (served === 1) tell("served the first request");
  } catch (error) {
    tell(`request failed: ${error.message}`);
  }
}, 200);

process.on("SIGTERM", () => process.exit(0));
