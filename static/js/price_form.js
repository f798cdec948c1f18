// Shows what the chosen charge model asks for and hides the rest. Without it everything shows.
"use strict";

(() => {
  const TIER_COLUMNS = {
    graduated: "up to,price of each,flat",
    volume_tiers: "up to,price of each,flat",
    stairstep: "up to,price of the step,",
    percentage: "up to,percent,flat",
  };

  const chosen = (price) => price.querySelector("input[name$='-charge_model']:checked")?.value;

  function show(price) {
    const model = chosen(price);
    for (const part of price.querySelectorAll("[data-for]")) {
      const kept = part.matches(".errors") || part.querySelector(".errors");
      part.hidden = !part.dataset.for.split(" ").includes(model) && !kept;
    }
    const tiers = price.querySelector("textarea[data-grid='tiers']");
    if (tiers && TIER_COLUMNS[model]) {
      tiers.dataset.columns = TIER_COLUMNS[model];
      tiers.grid?.draw();
    }
  }

  // The choice opens on a new price, and folds to its title once it is made.
  function setUp(price) {
    // Copies of the blank price keep the mark of the blank in what refers to ids.
    const number = /-(\d+)$/.exec(price.id)?.[1];
    for (const each of price.querySelectorAll("[aria-describedby*='__prefix__']")) {
      each.setAttribute("aria-describedby", each.getAttribute("aria-describedby").replaceAll("__prefix__", number));
    }
    for (const each of price.querySelectorAll("[id*='__prefix__']")) {
      each.id = each.id.replaceAll("__prefix__", number);
    }
    price.addEventListener("change", (event) => {
      if (event.target.name?.endsWith("-charge_model")) show(price);
    });
    show(price);
  }

  for (const price of document.querySelectorAll(".price:not(.empty-form)")) setUp(price);
  document.addEventListener("formset:added", (event) => {
    if (!event.target.matches(".price")) return;
    setUp(event.target);
    event.target.querySelector("details").open = true;
    event.target.querySelector("select")?.focus();
  });
})();
