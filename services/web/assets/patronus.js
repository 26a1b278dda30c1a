// Patronus: what a page does beyond HTML. Everything works without it.
"use strict";

// Parts marked data-live are fetched anew and swapped in. The header tells the router not to count this as somebody being there.
const refreshLive = async () => {
  if (document.hidden) return;
  const response = await fetch(location.href, { headers: { "X-Patronus-Background": "1" } });
  if (response.redirected) return location.reload();
  if (!response.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live][id]")) {
    const newer = fresh.getElementById(part.id);
    // What was waited for has come: the page is another one now.
    if (!newer && part.dataset.watch) return location.reload();
    if (!newer || newer.innerHTML === part.innerHTML || part.contains(document.activeElement) && part !== document.activeElement) continue;
    const open = [...part.querySelectorAll("details")].map((details) => details.open);
    const atEnd = part.scrollTop + part.clientHeight >= part.scrollHeight - 8;
    part.replaceChildren(...newer.childNodes);
    part.querySelectorAll("details").forEach((details, index) => { details.open = open[index] ?? false; });
    if (part.classList.contains("log") && atEnd) part.scrollTop = part.scrollHeight;
  }
};

const keepFresh = () => {
  const live = document.querySelector("[data-live]");
  if (!live) return;
  const seconds = Number(live.dataset.refresh ?? 3);
  const again = async () => {
    try { await refreshLive(); } catch { /* The router is away: the next round finds out. */ }
    setTimeout(again, seconds * 1000);
  };
  setTimeout(again, seconds * 1000);
  for (const log of document.querySelectorAll(".log")) log.scrollTop = log.scrollHeight;
};

// Says how strong a password is while it is typed; the judgement is the router's own.
const judgePassword = () => {
  const input = document.querySelector("[data-strength]");
  const place = document.getElementById("strength");
  if (!input || !place) return;
  let timer;
  const judge = async () => {
    if (!input.value) { place.textContent = ""; place.className = "strength"; return; }
    const form = new URLSearchParams({ csrf: input.form.elements.csrf.value, password: input.value, site: input.form.elements.site.value });
    const response = await fetch("/setup/strength", { method: "POST", body: form });
    if (!response.ok) return;
    const judgement = await response.json();
    place.textContent = judgement.message;
    place.className = `strength score-${judgement.score} ${judgement.accepted ? "good" : "warn"}`;
  };
  input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(() => judge().catch(() => {}), 250); });
};

// Counts a trial down, then looks what became of it.
const countDown = () => {
  const place = document.querySelector("[data-countdown]");
  if (!place) return;
  const end = Date.now() + Number(place.dataset.countdown) * 1000;
  const tick = () => {
    const left = Math.max(0, Math.ceil((end - Date.now()) / 1000));
    place.textContent = left >= 60 ? `${Math.floor(left / 60)} min ${left % 60} s` : `${left} s`;
    if (left === 0) return setTimeout(() => location.assign("/configuration"), 1500);
    setTimeout(tick, 1000);
  };
  tick();
};

// After a restart: goes back to the status page when the router answers again.
const awaitReturn = () => {
  if (!document.querySelector("[data-await-return]")) return;
  const ask = async () => {
    try {
      const response = await fetch("/login", { headers: { "X-Patronus-Background": "1" }, signal: AbortSignal.timeout(3000) });
      if (response.ok && performance.now() > 15000) return location.assign("/");
    } catch { /* Still away. */ }
    setTimeout(ask, 2000);
  };
  setTimeout(ask, 5000);
};

document.getElementById("summary")?.focus();
keepFresh();
judgePassword();
countDown();
awaitReturn();
