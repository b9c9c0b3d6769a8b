"use strict";
const cards = [...document.querySelectorAll(".card")];
const rest = JSON.parse(document.getElementById("rest").textContent);
const told = document.getElementById("told");
let last = -1; // the card gone to, for keys after a button was pressed
let unsaved = false;
function decide(card, decision) {
  const select = card.querySelector("select");
  let kind = decision.startsWith("label:") ? "label" : decision;
  if (kind === "label" && select) {
    select.value = decision.slice(6);
    decision = "label:" + select.value;
  }
  const radio = card.querySelector(`input[value="${kind}"]`);
  if (!radio) return;
  radio.checked = true;
  unsaved ||= card.dataset.decision !== decision;
  card.dataset.decision = decision;
  count();
}
function count() {
  if (!told) return;
  const out = cards.filter((c) => c.dataset.decision === "exclude").length;
  const named = cards.filter((c) => c.dataset.decision.startsWith("label:")).length;
  const labels = document.querySelector(".card select") ? `, ${named} given another label` : "";
  told.textContent = `${cards.length - out - named} kept, ${out} left out${labels}`;
}
function quoted(word) {
  return /[",\n\r]/.test(word) ? `"${word.replaceAll('"', '""')}"` : word;
}
function table() {
  const rows = cards.map((c) => [c.dataset.id, c.dataset.decision, c.dataset.why, c.dataset.suggested]);
  rows.push(...rest.map((r) => [r.id, r.decision, r.why, r.suggested]));
  return [["id", "decision", "why", "suggested"], ...rows].map((r) => r.map(quoted).join(",")).join("\n") + "\n";
}
for (const card of cards) {
  const select = card.querySelector("select");
  card.addEventListener("focusin", () => { last = cards.indexOf(card); });
  card.addEventListener("change", (event) => {
    if (event.target === select) decide(card, "label:" + select.value);
    else decide(card, event.target.value === "label" ? "label:" + select.value : event.target.value);
  });
}
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const inside = cards.findIndex((c) => c.contains(document.activeElement));
  if (event.target.tagName === "SELECT") { // letters choose a label there; Escape and Enter go back to the card
    if (inside >= 0 && (event.key === "Escape" || event.key === "Enter")) cards[inside].focus();
    return;
  }
  const at = inside >= 0 ? inside : last;
  const steps = { j: 1, k: -1 };
  if (event.key in steps && cards.length) {
    const next = cards[Math.min(cards.length - 1, Math.max(0, at + steps[event.key]))];
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest", behavior: "instant" });
  } else if (at >= 0 && "123".includes(event.key)) {
    const select = cards[at].querySelector("select");
    if (event.key !== "3") decide(cards[at], event.key === "1" ? "keep" : "exclude");
    else if (select && select.value !== cards[at].dataset.truth) decide(cards[at], "label:" + select.value);
    else if (select) select.focus(); // nothing is suggested: which label is to be said
  } else return;
  event.preventDefault();
});
document.getElementById("follow")?.addEventListener("click", () => cards.forEach((c) => decide(c, c.dataset.suggested)));
document.getElementById("reset")?.addEventListener("click", () => cards.forEach((c) => decide(c, "keep")));
document.getElementById("save")?.addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([table()], { type: "text/csv" }));
  link.download = "decisions.csv";
  link.click();
  URL.revokeObjectURL(link.href);
  unsaved = false;
});
window.addEventListener("beforeunload", (event) => {
  if (unsaved) event.preventDefault();
});
count();
