// Where scripts run, each chart that comes into view can be zoomed and pointed at; without, it stays as drawn.
(() => {
  "use strict";
  const boxes = [...document.querySelectorAll("[data-figure]")];
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const tones = { "#1c6e8c": "accent", "#b84c14": "warm", "#3c7d4d": "good", "#7b5aa6": "plum", "#a8863a": "sand", "#7c8794": "muted" };
  const touch = matchMedia("(hover: none)"); // there a finger must scroll the page, not zoom a chart
  const drawn = new Map();

  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach(d => { d.dataset.was = d.open; d.open = true; }));
  addEventListener("afterprint", () => document.querySelectorAll("details").forEach(d => { d.open = d.dataset.was === "true"; }));

  let loading;
  const load = () => loading ??= (async () => {
    const packed = atob(document.getElementById("plotly-packed").textContent);
    const bytes = Uint8Array.from(packed, c => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.head.append(script);
    if (!window.Plotly) throw new Error("Plotly did not start");
  })();

  const figure = (box, height) => {
    const style = getComputedStyle(document.documentElement);
    let text = box.dataset.figure.replaceAll("#20262d", style.getPropertyValue("--ink").trim()).replaceAll("#e2e5e8", style.getPropertyValue("--line").trim());
    for (const [hex, name] of Object.entries(tones)) text = text.replaceAll(hex, style.getPropertyValue(`--tone-${name}`).trim());
    const made = JSON.parse(text);
    made.layout.height = height;
    made.layout.hoverlabel = { ...made.layout.hoverlabel, bgcolor: style.getPropertyValue("--card").trim(), bordercolor: style.getPropertyValue("--line").trim(), font: { color: style.getPropertyValue("--ink").trim(), size: 12 } };
    if (touch.matches) made.layout.dragmode = false;
    made.config = { displayModeBar: !touch.matches, responsive: true, displaylogo: false, modeBarButtons: [["zoom2d", "pan2d", "resetScale2d", "toImage"]] };
    return made;
  };

  const draw = async box => {
    const still = box.querySelector("svg.chart");
    const height = Math.round(still.getBoundingClientRect().height);
    await load();
    const live = document.createElement("div");
    live.className = "live";
    live.style.height = `${height}px`;
    live.setAttribute("role", "img");
    live.setAttribute("aria-label", still.getAttribute("aria-label"));
    still.after(live);
    try {
      await Plotly.newPlot(live, figure(box, height));
      box.classList.add("is-live");
      drawn.set(box, [live, height]);
      Plotly.Plots.resize(live);
    } catch (error) {
      live.remove();
    }
  };

  if (!("DecompressionStream" in window) || !("IntersectionObserver" in window)) return;
  const seen = new IntersectionObserver(entries => entries.forEach(entry => {
    if (!entry.isIntersecting) return;
    seen.unobserve(entry.target);
    draw(entry.target).catch(() => {});
  }), { rootMargin: "300px" });
  boxes.forEach(box => seen.observe(box));
  dark.addEventListener("change", () => drawn.forEach(([live, height], box) => Plotly.react(live, figure(box, height))));
})();
