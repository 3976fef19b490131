// Bootstraps the real ioredis and prints what it emits, as one line of JSON.
// Arguments: a JSON object { seeds: [{ host, port }], username, password, wait_ms }.
import Redis from "ioredis";

const { seeds, username, password, wait_ms } = JSON.parse(process.argv[2]);
const cluster = new Redis.Cluster(seeds, { redisOptions: { username, password } });
const seen = { ready: false, error: null, last: null, closes: 0, node_errors: [] };

function finish() {
  process.stdout.write(JSON.stringify(seen) + "\n");
  process.exit(0);
}

cluster.on("ready", () => {
  seen.ready = true;
  finish();
});
cluster.on("error", (error) => {
  seen.error = `${error.name}: ${error.message}`;
  seen.last = error.lastNodeError ? error.lastNodeError.message : null;
  finish();
});
cluster.on("close", () => {
  seen.closes += 1;
});
cluster.on("node error", (error, address) => {
  if (seen.node_errors.length < 5) seen.node_errors.push(`${address}: ${error.message}`);
});
setTimeout(finish, wait_ms);
