"use strict";
// Shows what /metrics say, and the differences between one look and the next.

const EVERY_MS = 1000;
const LINE_LOOKS = 120; // of the line: two minutes
const LATENCY_LOOKS = 10; // over which latencies are told, so that a quiet second is not empty
const REASONS_SHOWN = 14;
const CLAIMS_FULL = 0.9; // then it is time to look
const GOOD = new Set(["accepted", "certificate-ok", "signature-ok"]);

const looks = []; // the last readings, oldest first
const line = [];

function parse(text) {
  const samples = new Map(); // by name, pairs of labels and value
  for (const row of text.split("\n")) {
    const found = /^([a-z0-9_]+)(?:\{(.*)\})? (\S+)$/.exec(row);
    if (found === null) continue;
    const labels = {};
    for (const [, key, value] of (found[2] || "").matchAll(/([a-z0-9_]+)="((?:[^"\\]|\\.)*)"/g)) labels[key] = value;
    if (!samples.has(found[1])) samples.set(found[1], []);
    samples.get(found[1]).push([labels, Number(found[3])]);
  }
  return { at: performance.now() / 1000, samples };
}

const all = (look, name) => look.samples.get(name) || [];
const sum = (look, name) => all(look, name).reduce((total, [, value]) => total + value, 0);

function by(look, name, label) {
  const found = {};
  for (const [labels, value] of all(look, name)) found[labels[label]] = (found[labels[label]] || 0) + value;
  return found;
}

function reasonsOf(look) {
  const found = by(look, "sekisho_wire_verdicts_total", "reason");
  for (const [name, value] of Object.entries(by(look, "sekisho_verdicts_total", "reason"))) found[name] = (found[name] || 0) + value;
  return found;
}

function bucketsOf(now, before) {
  const name = "sekisho_wire_answer_seconds_bucket";
  const here = by(now, name, "le");
  const old = before ? by(before, name, "le") : {};
  const bound = (text) => (text === "+Inf" ? Infinity : Number(text));
  let under = 0;
  return Object.keys(here).sort((a, b) => bound(a) - bound(b)).map((key) => {
    const until = here[key] - (old[key] || 0);
    const own = Math.max(0, until - under);
    under = until;
    return [bound(key), own];
  });
}

function quantile(buckets, share) {
  const total = buckets.reduce((count, [, own]) => count + own, 0);
  let under = 0;
  for (const [bound, own] of buckets) {
    under += own;
    if (total > 0 && under >= share * total) return bound;
  }
  return null;
}

const whole = (value) => Math.round(value).toLocaleString("en-GB");
const milliseconds = (bound) => (bound === null ? "-" : bound === Infinity ? "longer" : `<${+(bound * 1000).toPrecision(3)} ms`);
const mebibytes = (bytes) => whole(bytes / 2 ** 20);

function put(id, text, bad = false) {
  const at = document.getElementById(id);
  at.textContent = text;
  at.classList.toggle("bad", bad);
}

function cell(text, name) {
  const made = document.createElement("td");
  made.textContent = text;
  if (name) made.className = name;
  return made;
}

function fill(id, rows) {
  document.querySelector(`#${id} tbody`).replaceChildren(...rows.map((cells) => {
    const row = document.createElement("tr");
    row.append(...cells);
    return row;
  }));
}

function draw() {
  const most = Math.max(1, ...line);
  const points = line.map((value, i) => `${(600 * (i + LINE_LOOKS - line.length)) / (LINE_LOOKS - 1)},${(86 - (82 * value) / most).toFixed(1)}`);
  const drawn = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  drawn.setAttribute("points", points.join(" "));
  document.getElementById("line").replaceChildren(drawn);
  put("highest", whole(Math.max(0, ...line)));
}

function show(now, before, earlier) {
  const seconds = Math.max(1e-3, now.at - before.at);
  const rate = (name) => Math.max(0, sum(now, name) - sum(before, name)) / seconds;
  const totals = reasonsOf(now);
  const old = reasonsOf(before);
  const rates = Object.fromEntries(Object.entries(totals).map(([name, value]) => [name, Math.max(0, value - (old[name] || 0)) / seconds]));
  const verdicts = Object.values(rates).reduce((total, value) => total + value, 0);
  line.push(verdicts);
  if (line.length > LINE_LOOKS) line.shift();
  put("rate", whole(verdicts));
  draw();

  const buckets = bucketsOf(now, earlier);
  put("p50", milliseconds(quantile(buckets, 0.5)));
  put("p99", milliseconds(quantile(buckets, 0.99)));
  const most = Math.max(1, ...buckets.map(([, own]) => own));
  fill("latency", buckets.filter(([, own]) => own > 0).map(([bound, own]) => {
    const meter = document.createElement("meter");
    meter.max = most;
    meter.value = own;
    const bar = cell("", "bar");
    bar.append(meter);
    return [cell(milliseconds(bound), "number"), bar, cell(whole(own), "number")];
  }));

  put("waiting", whole(sum(now, "sekisho_wire_waiting_requests") + sum(now, "sekisho_waiting_rows")));
  put("working", whole(sum(now, "sekisho_wire_working_requests")));
  put("connections", whole(sum(now, "sekisho_wire_connections") + sum(now, "sekisho_connections")));
  put("cores", rate("sekisho_cpu_seconds_total").toFixed(2));
  const errors = rate("sekisho_wire_errors_total") + rate("sekisho_requests_refused_total");
  put("errors", whole(errors), errors >= 1);
  const hits = sum(now, "sekisho_cache_hits_total") - sum(earlier, "sekisho_cache_hits_total");
  const misses = sum(now, "sekisho_cache_misses_total") - sum(earlier, "sekisho_cache_misses_total");
  put("hits", hits + misses > 0 ? `${((100 * hits) / (hits + misses)).toFixed(1)} %` : "-");
  put("cache", `${mebibytes(sum(now, "sekisho_cache_bytes"))} of ${mebibytes(sum(now, "sekisho_cache_bytes_max"))} MiB`);
  const live = sum(now, "sekisho_claims_live");
  const slots = sum(now, "sekisho_claims_capacity");
  put("claims", whole(live), slots > 0 && live > CLAIMS_FULL * slots);
  put("slots", whole(slots));
  const built = sum(now, "sekisho_revocation_built_timestamp_seconds");
  const stale = sum(now, "sekisho_revocation_stale_sources");
  put("age", built > 0 ? `${whole((Date.now() / 1000 - built) / 60)} min` : "none", stale > 0);
  put("snapshot", built > 0 ? `old; snapshot ${sum(now, "sekisho_revocation_snapshot")}, ${whole(sum(now, "sekisho_revocation_sources"))} lists, ${whole(stale)} stale` : "nothing is in force");
  const faulty = all(now, "sekisho_kernel_faulty").filter(([, value]) => value > 0).map(([labels]) => labels.kernel);
  put("kernels", faulty.length ? faulty.join(", ") : "sound", faulty.length > 0);
  const build = all(now, "sekisho_build_info")[0];
  put("version", build ? `sekisho ${build[0].version}` : "-");

  const names = Object.keys(totals).filter((name) => totals[name] > 0).sort((a, b) => rates[b] - rates[a] || totals[b] - totals[a]);
  fill("reasons", names.slice(0, REASONS_SHOWN).map((name) => [cell(GOOD.has(name) ? `✓ ${name}` : name), cell(whole(rates[name]), "number"), cell(whole(totals[name]), "number")]));
}

function tell(text, good) {
  const at = document.getElementById("state");
  at.textContent = text;
  at.className = good ? "good" : "bad";
}

async function look() {
  try {
    const [metrics, ready] = await Promise.all([fetch("metrics", { cache: "no-store" }), fetch("readyz", { cache: "no-store" })]);
    if (!metrics.ok) throw new Error(`/metrics answers ${metrics.status}`);
    const now = parse(await metrics.text());
    const said = (await ready.text()).trim().split("\n").join(", ");
    looks.push(now);
    if (looks.length > LATENCY_LOOKS + 1) looks.shift();
    if (looks.length > 1) show(now, looks[looks.length - 2], looks[0]);
    tell(ready.ok ? "ready" : `not ready: ${said}`, ready.ok);
  } catch (error) {
    tell(`no answer: ${error.message}`, false);
  }
  setTimeout(look, EVERY_MS);
}

look();
