// SPDX-License-Identifier: MIT
// One fetch() with AbortSignal.timeout, told as one line of JSON: fetch.mjs URL TIMEOUT_MS HEALTHY_URL [alone]
// All the while, but not with `alone`, the same event loop asks HEALTHY_URL, 20 times a second; healthy: the longest that took, in ms.
const [url, timeout, healthyUrl, alone] = process.argv.slice(2);

async function timed(url, options) {
	const began = performance.now();
	let outcome = 'ok', status = null;
	try {
		const answer = await fetch(url, options);
		status = answer.status;
		await answer.text();
	} catch (e) {
		outcome = e.name === 'TimeoutError' ? 'timeout' : (e.cause?.code ?? e.name);
	}
	return { outcome, status, ms: performance.now() - began };
}

await timed(healthyUrl); // loads what the first fetch loads
let over = alone !== undefined, slowest = 0, count = 0;
async function askHealthy() {
	while (!over) {
		slowest = Math.max(slowest, (await timed(healthyUrl)).ms);
		count++;
		await new Promise((done) => setTimeout(done, 50));
	}
}

const cpu = process.cpuUsage();
const other = askHealthy();
const result = await timed(url, { signal: AbortSignal.timeout(Number(timeout)) });
over = true;
await other;
const used = process.cpuUsage(cpu);
console.log(JSON.stringify({ ...result, cpu_ms: (used.user + used.system) / 1000, healthy: slowest, healthy_count: count }));
process.exit(0);
