// The official mixpanel-browser in a page of jsdom, pointed at a hub: node visit.mjs URL TOKEN
// jsdom's XMLHttpRequest speaks real HTTP and refuses answers without the CORS headers that a browser asks for.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { JSDOM } from "jsdom";

const [url, token] = process.argv.slice(2);
const library = readFileSync(createRequire(import.meta.url).resolve("mixpanel-browser"), "utf8");
const page = new JSDOM("<!doctype html><title>A shop</title><p>Welcome</p>", {
  url: "http://shop.example/welcome",
  runScripts: "outside-only",
  pretendToBeVisual: true,
});
page.window.eval(`window.mixpanel = (function () { const module = { exports: {} }; ${library}; return module.exports; })();`);
const { mixpanel } = page.window;

const answered = (call) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("no answer in 15 s")), 15_000);
    call((answer) => {
      clearTimeout(timer);
      resolve(answer);
    });
  });
const expect = (what, answer) => {
  const status = answer && typeof answer === "object" ? answer.status : answer;
  if (status !== 1) throw new Error(`${what}: ${JSON.stringify(answer)}`);
  console.log(`${what}: taken`);
};

await new Promise((loaded) =>
  mixpanel.init(token, { api_host: url, batch_requests: false, verbose: true, debug: false, persistence: "localStorage", loaded }),
);
expect("track before login", await answered((done) => mixpanel.track("Page View", { path: "/welcome" }, done)));
mixpanel.identify("browser-user");
expect("people.set", await answered((done) => mixpanel.people.set({ $email: "b@example.com", plan: "pro" }, done)));
expect("people.increment", await answered((done) => mixpanel.people.increment("visits", 2, done)));
expect("people.union", await answered((done) => mixpanel.people.union("tags", ["a", "b"], done)));
expect("track after login", await answered((done) => mixpanel.track("Purchase", { amount: 12.5 }, done)));

// the default configuration: batches, in the background, base64 in a form
const batched = await new Promise((loaded) =>
  mixpanel.init(token, { api_host: url, batch_flush_interval_ms: 200, persistence: "localStorage", loaded }, "batched"),
);
for (let number = 0; number < 3; number += 1) batched.track("Batched", { number });
await new Promise((resolve) => setTimeout(resolve, 2_000));
console.log(JSON.stringify({ distinct_id: mixpanel.get_distinct_id(), device_id: mixpanel.get_property("$device_id") }));
page.window.close();
