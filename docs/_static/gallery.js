// What scrolls can be reached with the keyboard, and so can the two drawers of a narrow screen.
document.addEventListener("DOMContentLoaded", () => {
  for (const box of document.querySelectorAll(".table-wrapper, pre, figure, .picture, .cell_output")) {
    if (box.scrollWidth > box.clientWidth) {
      box.tabIndex = 0;
      box.setAttribute("role", "region");
      box.setAttribute("aria-label", "Scrolls sideways");
    }
  }
  for (const [drawer, name] of [["__navigation", "Navigation"], ["__toc", "On this page"]]) {
    for (const label of document.querySelectorAll(`label[for=${drawer}]:not(.overlay)`)) {
      label.tabIndex = 0;
      label.setAttribute("role", "button");
      label.setAttribute("aria-label", name);
      label.addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === " ") {
          event.preventDefault();
          label.click();
        }
      });
    }
  }
});
