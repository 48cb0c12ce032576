// Signs in with the word in the address that was printed on the terminal, and keeps what is shown fresh.

async function signIn() {
  const word = location.hash.slice(1);
  if (!word) return;
  history.replaceState(null, "", location.pathname + location.search); // not to be copied or gone back to
  const answer = await fetch("/api/v1/session", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ word }),
  });
  const said = document.getElementById("said");
  if (answer.ok) location.reload();
  else if (said) said.textContent = (await answer.json()).detail;
}

addEventListener("hashchange", signIn);
signIn();

const SOONEST = 400; // milliseconds between two refreshes
const LATEST = 10000; // even when nothing happens: for whom a run waits is no event
let events;
let looking;
let due;

async function refresh() {
  due = undefined;
  const answer = await fetch(location.href);
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
  const shown = document.getElementById("live");
  const active = document.activeElement;
  const scrolling = active.matches(".scroll") ? active.dataset.keep : undefined;
  if (!fresh || (shown.contains(active) && !scrolling)) return;
  const opened = [...shown.querySelectorAll("details[open]")].map((one) => one.dataset.keep);
  for (const one of fresh.querySelectorAll("details")) one.open = opened.includes(one.dataset.keep);
  const scrolled = [...shown.querySelectorAll(".scroll[data-keep]")].map((one) => [one.dataset.keep, one.scrollLeft]);
  shown.replaceWith(fresh);
  for (const [keep, left] of scrolled) {
    const same = fresh.querySelector(`.scroll[data-keep="${keep}"]`);
    if (!same) continue;
    same.scrollLeft = left;
    if (keep === scrolling) same.focus({ preventScroll: true });
  }
  if (fresh.dataset.events) return;
  events.close();
  clearInterval(looking);
}

const live = document.getElementById("live");
if (live?.dataset.events) {
  events = new EventSource(live.dataset.events);
  const soon = () => { due ??= setTimeout(refresh, SOONEST); };
  events.onmessage = soon;
  looking = setInterval(soon, LATEST);
}
