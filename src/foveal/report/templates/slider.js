for (const slider of document.querySelectorAll(".slider")) {
  const range = slider.querySelector("input");
  const move = () => {
    slider.style.setProperty("--at", range.value + "%");
    range.setAttribute("aria-valuetext", range.value + " % as it was given");
  };
  range.addEventListener("input", move);
  move();
}
