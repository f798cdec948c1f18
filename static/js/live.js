// Tells the reader whether the figures on the page are live, and how old they are when not.
// htmx does the asking, once a second; this file only listens to what came of it.
(() => {
  "use strict";

  const FRESH_MS = 2500;
  const LOST_AFTER_MS = 6000;
  const live = document.getElementById("live");
  const mark = document.getElementById("live-mark");
  let answeredAt = Date.now();
  let askingSince = Date.now();

  function show() {
    const age = Date.now() - answeredAt;
    const seconds = Math.round(age / 1000);
    const unanswered = Date.now() - Math.max(answeredAt, askingSince);
    let state = "live";
    let text = "Live, less than 3 s old";
    if (unanswered >= LOST_AFTER_MS) {
      state = "lost";
      text = `Connection lost, figures ${seconds} s old`;
    } else if (age >= FRESH_MS) {
      state = "waiting";
      text = `Waiting for an answer, figures ${seconds} s old`;
    }
    if (mark.textContent !== text) mark.textContent = text;
    mark.dataset.state = state;
  }

  // 304 says that what is shown is still current, so it counts as an answer too.
  live.addEventListener("htmx:after:request", (event) => {
    const status = event.detail.ctx.response.status;
    if (status === 200 || status === 304) answeredAt = Date.now();
    show();
  });

  // Nobody looks at a hidden page: it stops asking, and asks at once when it is seen again.
  live.addEventListener("htmx:before:request", (event) => {
    if (document.hidden) event.preventDefault();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    askingSince = Date.now();
    show();
    htmx.trigger(live, "wake");
  });

  // New events are tinted for a moment. The animation touches no attribute, so the next answer
  // finds the page as the server wrote it.
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  let known = new Set();
  const rows = () => [...live.querySelectorAll(".events tbody tr")];
  live.addEventListener("htmx:before:swap", () => {
    known = new Set(rows().map((row) => row.id));
  });
  live.addEventListener("htmx:after:swap", () => {
    if (calm.matches || !known.size) return;
    const tint = getComputedStyle(live).getPropertyValue("--dd-accent-soft");
    for (const row of rows()) {
      if (known.has(row.id)) continue;
      row.animate([{ backgroundColor: tint }, { backgroundColor: "transparent" }], 1600);
    }
  });

  show();
  setInterval(show, 1000);
})();
