"use strict";
// Takes over what the server says is new. Without it, the page is loaded again each minute.
(() => {
  const lost = document.getElementById("lost");
  const told = document.getElementById("told");
  // What has the focus is found again by its text, as numbers in it may change.
  const keyOf = (e) => e.tagName + e.textContent.replace(/\d+/g, "") + (e.getAttribute("href") ?? "");
  // A selection is not taken away: the news waits for it.
  const selecting = () => { const s = getSelection(); return s !== null && !s.isCollapsed && document.getElementById("live").contains(s.anchorNode); };
  let stamp = document.getElementById("live").dataset.stamp;
  const site = document.getElementById("live").dataset.site;
  let late = false; // news came while something was selected
  async function renew() {
    if (selecting()) return;
    const answer = await fetch(location.pathname + location.search, { cache: "no-store" });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const was = document.getElementById("live");
    const open = [...was.querySelectorAll("details[open] > summary")].map((s) => s.textContent.replace(/\d+/g, ""));
    const now = document.adoptNode(fresh.getElementById("live"));
    for (const s of now.querySelectorAll("summary")) {
      if (open.includes(s.textContent.replace(/\d+/g, ""))) s.parentElement.open = true;
    }
    const had = was.contains(document.activeElement) ? keyOf(document.activeElement) : "";
    was.replaceWith(now);
    if (had) [...now.querySelectorAll("a, summary")].find((e) => keyOf(e) === had)?.focus({ preventScroll: true });
    if (document.title !== fresh.title) told.textContent = fresh.title;
    document.title = fresh.title;
    stamp = now.dataset.stamp;
  }
  const news = new EventSource("/events" + (site ? "?site=" + encodeURIComponent(site) : ""));
  news.onmessage = (e) => { lost.hidden = true; if (e.data !== stamp) { late = selecting(); renew(); } };
  news.onerror = () => { lost.hidden = false; };
  document.addEventListener("selectionchange", () => { if (late && !selecting()) { late = false; renew(); } });
  setInterval(renew, 60000);
})();
