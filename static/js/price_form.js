// Shows what a choice asks for and hides the rest; without it everything shows.
//
// data-when="kind=values metered" on an element: show it when the field `kind` of the same row, or
// of the same form, has one of these values.
"use strict";

(() => {
  const TIER_COLUMNS = {
    graduated: "up to,price of each,flat",
    volume_tiers: "up to,price of each,flat",
    stairstep: "up to,price of the step,",
    percentage: "up to,percent,flat",
  };

  const rowOf = (element) => element.closest(".inline-related") ?? element.closest("form");

  function valueOf(row, name) {
    const fields = [...row.querySelectorAll(`[name="${name}"], [name$="-${name}"]`)];
    const own = fields.filter((field) => rowOf(field) === row);
    const chosen = own.find((field) => field.type !== "radio" || field.checked);
    return chosen?.type === "checkbox" ? String(chosen.checked) : chosen?.value;
  }

  function show(row) {
    for (const part of row.querySelectorAll("[data-when]")) {
      if (rowOf(part) !== row) continue;
      const [name, values] = part.dataset.when.split("=");
      // A mistake is never hidden.
      const hasMistake = part.matches(".errors") || Boolean(part.querySelector(".errors"));
      part.hidden = !values.split(" ").includes(valueOf(row, name)) && !hasMistake;
    }
    const model = valueOf(row, "charge_model");
    if (model && row.matches(".inline-related")) showModel(row, model);
  }

  function showModel(row, model) {
    const tiers = row.querySelector("textarea[data-grid='tiers']");
    if (tiers && TIER_COLUMNS[model] && tiers.dataset.columns !== TIER_COLUMNS[model]) {
      tiers.dataset.columns = TIER_COLUMNS[model];
      tiers.grid?.draw();
    }
    const card = row.querySelector("input[name$='-charge_model']:checked")?.closest(".model-card");
    if (!card) return;
    row.querySelector("[data-model-title]").textContent = card.querySelector("strong").textContent;
    row.querySelector("[data-model-sentence]").textContent = card.querySelector("span").textContent;
  }

  // Volume tiers and steps are known only at the end of a period: say so when they are chosen.
  function settleAtClose(row, model) {
    const settle = row.querySelector("select[name$='-settle']");
    if (!settle || !["volume_tiers", "stairstep"].includes(model)) return;
    settle.value = "at_close";
  }

  // Copies of the blank row keep the mark of the blank in what refers to ids.
  function number(row) {
    const index = /-(\d+)$/.exec(row.id)?.[1];
    for (const name of ["id", "for", "aria-describedby"]) {
      for (const each of row.querySelectorAll(`[${name}*="__prefix__"]`)) {
        each.setAttribute(name, each.getAttribute(name).replaceAll("__prefix__", index));
      }
    }
  }

  const rows = () => document.querySelectorAll("form:has([data-when]), .inline-related:not(.empty-form)");
  for (const row of rows()) show(row);
  document.addEventListener("change", (event) => {
    const row = rowOf(event.target);
    if (!row || !event.target.name) return;
    if (event.target.name.endsWith("-charge_model")) settleAtClose(row, event.target.value);
    if (event.target.matches("select, input[type=radio], input[type=checkbox]")) show(row);
  });
  document.addEventListener("formset:added", (event) => {
    const row = event.target;
    number(row);
    show(row);
    for (const fold of row.querySelectorAll(".price-fold, .price-models")) fold.open = true;
    row.querySelector("select, input:not([type=hidden])")?.focus();
  });
})();
