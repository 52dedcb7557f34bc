"use strict";

// A service worker: what the network does not serve comes from the cache, where everything of this site that is loaded is kept.
// Packed files have their content's hash in their address, so one that is there is right; an older one of the same name goes.
const CACHE = "course";

const keep = async (request, answer) => {
  if (answer.ok) {
    const cache = await caches.open(CACHE);
    await cache.delete(request, { ignoreSearch: true });
    await cache.put(request, answer);
  }
};

const serve = async (request) => {
  const kept = await caches.match(request);
  if (kept && new URL(request.url).pathname.includes("/models/")) return kept;
  try {
    const answer = await fetch(request);
    keep(request, answer.clone());
    return answer;
  } catch (error) {
    return kept ?? Response.error();
  }
};

addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(clients.claim()));
addEventListener("fetch", (event) => {
  if (event.request.method === "GET" && event.request.url.startsWith(location.origin)) event.respondWith(serve(event.request));
});
addEventListener("message", (event) => event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(event.data))));
