"use strict";
// Takes over what the server says is new. Without it, the page is loaded again each minute.
(() => {
  const lost = document.getElementById("lost");
  let stamp = document.getElementById("live").dataset.stamp;
  async function renew() {
    const answer = await fetch(location.pathname, { cache: "no-store" });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const was = document.getElementById("live");
    const open = [...was.querySelectorAll("details[open] > summary")].map((s) => s.textContent.replace(/\d+/g, ""));
    const now = document.adoptNode(fresh.getElementById("live"));
    for (const s of now.querySelectorAll("summary")) {
      if (open.includes(s.textContent.replace(/\d+/g, ""))) s.parentElement.open = true;
    }
    was.replaceWith(now);
    document.title = fresh.title;
    stamp = now.dataset.stamp;
  }
  const news = new EventSource("/events");
  news.onmessage = (e) => { lost.hidden = true; if (e.data !== stamp) renew(); };
  news.onerror = () => { lost.hidden = false; };
  setInterval(renew, 60000);
})();
