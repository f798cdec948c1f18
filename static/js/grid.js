// Turns a text area that holds a table into a grid of inputs. The text area stays what is sent:
// the grid writes into it, so that the server reads the same text whoever typed it.
//
// data-grid says what the table is:
//   matrix  the first row names properties and the price; every other row is a cell
//   tiers   up to, price, flat; the first row is fixed
//   list    the first row names properties and meters, the second says for how many units
"use strict";

class Grid {
  static ROWS_MAX = 1000;
  static RESERVED = new Set([
    "price", "charge model", "package size", "fixed amount", "minimum per event",
    "maximum per event", "free events", "free amount", "amount property",
  ]);

  constructor(area) {
    this.area = area;
    this.kind = area.dataset.grid;
    this.heads = this.kind === "list" ? 2 : 1;
    this.undone = [];
    this.at = { row: this.heads, column: 0 };
    this.box = document.createElement("div");
    this.box.className = `grid-box grid-${this.kind}`;
    area.before(this.box);
    area.hidden = true;
    this.load();
  }

  // ---- what the table holds

  load() {
    const rows = TableText.read(this.area.value).map((row) => row.values);
    if (rows.length > Grid.ROWS_MAX) {
      this.showText(`${rows.length} rows are edited as text.`);
      return;
    }
    this.rows = this.kind === "tiers" ? this.withTierHeader(rows) : rows;
    this.complete();
    this.properties = this.countProperties();
    this.draw();
    this.markMistakes();
  }

  withTierHeader(rows) {
    const known = { "up to": 0, price: 1, "unit amount": 1, percentage: 1, flat: 2, "flat amount": 2 };
    const plain = (value) => value.replaceAll("_", " ").toLowerCase();
    const named = rows.length > 0 && rows[0].every((value) => plain(value) in known);
    const order = named ? rows[0].map((value) => known[plain(value)]) : [0, 1, 2];
    const body = (named ? rows.slice(1) : rows).map((values) => {
      const row = ["", "", ""];
      values.forEach((value, column) => { row[order[column] ?? 2] = value; });
      return row;
    });
    return [["up to", "price", "flat"], ...body];
  }

  // Gives the table the rows and columns it cannot be without.
  complete() {
    const rows = this.rows;
    if (!rows.length) rows.push(this.kind === "list" ? ["model", ""] : ["", "price"]);
    if (this.kind === "matrix" && !rows[0].some((name) => this.isReserved(name))) {
      rows[0].push("price");
    }
    if (this.kind === "list" && !this.isPer(rows[1])) rows.splice(1, 0, ["per"]);
    if (rows.length === this.heads) {
      rows.push(...(this.kind === "tiers" ? [["", "", ""], ["above", "", ""]] : [[]]));
    }
    const width = Math.max(2, ...rows.map((row) => row.length));
    for (const row of rows) while (row.length < width) row.push("");
  }

  isReserved(name) {
    const plain = name.replaceAll("_", " ").trim().toLowerCase();
    return Grid.RESERVED.has(plain) || plain === "unit amount";
  }

  isPer(row) {
    return Boolean(row) && row[0].toLowerCase().replace(/:$/, "") === "per";
  }

  isBlank() {
    const body = this.rows.slice(this.heads);
    const marks = this.kind === "tiers" ? ["", "above"] : [""];
    if (!body.every((row) => row.every((value) => marks.includes(value.trim())))) return false;
    if (this.kind === "tiers") return true;
    return this.kind === "list" || this.rows[0].every((name) => !name || this.isReserved(name));
  }

  // Writes the table into the text area. Rows without anything in them are left out.
  write() {
    const filled = this.rows.filter(
      (row, number) => number < this.heads || row.some((value) => value.trim()),
    );
    this.area.value = this.isBlank() ? "" : TableText.write(filled);
    this.area.dispatchEvent(new Event("input", { bubbles: true }));
    this.area.dispatchEvent(new Event("change", { bubbles: true }));
  }

  remember(snapshot = this.snapshot()) {
    this.undone.push(snapshot);
    if (this.undone.length > 50) this.undone.shift();
    if (this.undoButton) this.undoButton.disabled = false;
  }

  snapshot() {
    return JSON.stringify([this.rows, this.properties]);
  }

  undo() {
    if (!this.undone.length) return;
    [this.rows, this.properties] = JSON.parse(this.undone.pop());
    this.draw();
    this.write();
    this.focus(this.at.row, this.at.column);
  }

  // ---- how it looks

  draw() {
    const table = document.createElement("table");
    table.className = "grid";
    const head = table.createTHead();
    const body = table.createTBody();
    this.sizes = this.rows[0].map((_, column) => {
      const longest = Math.max(6, ...this.rows.map((row) => row[column].length));
      return Math.min(28, longest + 1);
    });
    this.rows.forEach((row, number) => {
      const line = (number < this.heads ? head : body).insertRow();
      line.append(this.rowHeader(number));
      row.forEach((value, column) => line.append(this.cell(number, column, value)));
      line.append(this.rowTool(number));
    });
    this.inputs = [...table.rows].map((line) => [...line.querySelectorAll("[data-cell]")]);
    const scroller = document.createElement("div");
    scroller.className = "grid-scroll";
    scroller.setAttribute("role", "group");
    scroller.setAttribute("aria-label", this.area.dataset.label ?? "Table");
    scroller.append(table);
    this.box.replaceChildren(scroller, this.toolbar());
    table.addEventListener("keydown", (event) => this.onKey(event));
    table.addEventListener("paste", (event) => this.onPaste(event));
    table.addEventListener("input", (event) => this.onInput(event));
    table.addEventListener("focusin", (event) => this.onFocus(event));
    this.box.dispatchEvent(new CustomEvent("grid:drawn", { bubbles: true, detail: this }));
  }

  rowHeader(number) {
    const header = document.createElement("th");
    header.scope = "row";
    header.className = "grid-number";
    header.textContent = number < this.heads ? "" : String(number + 1);
    return header;
  }

  cell(number, column, value) {
    const isHead = number < this.heads;
    const cell = document.createElement(isHead ? "th" : "td");
    if (isHead) cell.scope = "col";
    const fixed = this.fixedText(number, column, value);
    if (fixed !== null) {
      const text = document.createElement("span");
      text.className = "grid-fixed";
      text.dataset.cell = "fixed";
      text.textContent = fixed;
      cell.append(text);
    } else {
      cell.append(this.input(number, column, value));
    }
    if (number === 0 && this.isRemovable(column)) cell.append(this.columnTool(column));
    return cell;
  }

  fixedText(number, column, value) {
    if (number === 0 && this.kind === "tiers") return this.tierNames()[column];
    if (number === 0 && this.kind === "matrix" && this.isReserved(value)) {
      const plain = value.replaceAll("_", " ").trim().toLowerCase();
      return plain === "unit amount" ? "price" : plain;
    }
    if (number === 1 && this.kind === "list") {
      if (column === 0) return "per";
      return this.isProperty(column) ? "" : null;
    }
    return null;
  }

  tierNames() {
    return (this.area.dataset.columns ?? "up to,price,flat").split(",");
  }

  // Properties of a list come first: the columns up to a known meter or one that has a size.
  countProperties() {
    if (this.kind !== "list") return 0;
    const known = new Set(JSON.parse(this.area.dataset.meters ?? "[]"));
    const isMeter = (name, column) => known.has(name.toLowerCase()) || this.rows[1][column] !== "";
    const first = this.rows[0].findIndex((name, column) => column > 0 && isMeter(name, column));
    return first < 0 ? 1 : first;
  }

  isProperty(column) {
    return column < this.properties;
  }

  input(number, column, value) {
    const input = document.createElement("input");
    input.type = "text";
    input.value = value;
    input.dataset.cell = "input";
    input.size = this.sizes[column];
    input.autocomplete = "off";
    input.spellcheck = false;
    input.setAttribute("autocapitalize", "off");
    input.setAttribute("aria-label", this.labelOf(number, column));
    const hint = this.hintOf(number, column);
    if (hint) input.placeholder = hint;
    const list = number === 0 ? this.area.dataset.names : "";
    if (list) input.setAttribute("list", list);
    if (this.isNumeric(number, column)) input.classList.add("grid-amount");
    return input;
  }

  isNumeric(number, column) {
    if (this.kind === "tiers") return true;
    if (number === 0) return false;
    if (this.kind === "list") return !this.isProperty(column);
    return this.isReserved(this.rows[0][column]);
  }

  labelOf(number, column) {
    const name = this.columnName(column);
    if (number === 0) return `Name of column ${column + 1}`;
    if (number === 1 && this.kind === "list") return `${name}: price for how many units`;
    return `Row ${number + 1}, ${name}`;
  }

  columnName(column) {
    if (this.kind === "tiers") return this.tierNames()[column];
    return this.rows[0][column] || `column ${column + 1}`;
  }

  hintOf(number, column) {
    if (number === 0) return this.kind === "list" && !this.isProperty(column) ? "meter" : "property";
    if (number === 1 && this.kind === "list") return "1M";
    if (this.kind === "matrix" && !this.isReserved(this.rows[0][column])) return "* any";
    return "";
  }

  isRemovable(column) {
    if (this.kind === "tiers") return false;
    if (this.kind === "matrix") {
      const name = this.rows[0][column];
      const properties = this.rows[0].filter((each) => !this.isReserved(each));
      return this.isReserved(name) ? name !== "price" && name !== "unit_amount" : properties.length > 1;
    }
    return this.rows[0].length > 2 && column > 0;
  }

  button(text, label, action) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = text;
    if (label) button.setAttribute("aria-label", label);
    button.addEventListener("click", action);
    return button;
  }

  rowTool(number) {
    const cell = document.createElement("td");
    cell.className = "grid-tool";
    if (number < this.heads) return cell;
    const button = this.button("×", `Remove row ${number + 1}`, () => this.removeRow(number));
    button.tabIndex = -1;
    cell.append(button);
    return cell;
  }

  columnTool(column) {
    const remove = () => this.removeColumn(column);
    const button = this.button("×", `Remove column ${this.columnName(column)}`, remove);
    button.className = "grid-remove-column";
    button.tabIndex = -1;
    return button;
  }

  toolbar() {
    const bar = document.createElement("div");
    bar.className = "grid-bar";
    bar.append(this.button("Add row", "", () => this.addRow()));
    if (this.kind === "matrix") {
      bar.append(this.button("Add property", "", () => this.addColumn(this.firstReserved())));
    }
    if (this.kind === "list") {
      bar.append(this.button("Add meter", "", () => this.addColumn(this.rows[0].length)));
      bar.append(this.button("Add property", "", () => this.addProperty()));
    }
    this.undoButton = this.button("Undo", "", () => this.undo());
    this.undoButton.disabled = !this.undone.length;
    bar.append(this.undoButton, this.button("Edit as text", "", () => this.showText("")));
    return bar;
  }

  firstReserved() {
    const first = this.rows[0].findIndex((name) => this.isReserved(name));
    return first < 0 ? this.rows[0].length : first;
  }

  showText(note) {
    this.area.hidden = false;
    const bar = document.createElement("div");
    bar.className = "grid-bar";
    if (note) bar.append(note);
    else {
      bar.append(this.button("Edit as table", "", () => {
        this.area.hidden = true;
        this.undone = [];
        this.load();
      }));
    }
    this.box.replaceChildren(bar);
    if (!note) this.area.focus();
  }

  // The server names the row and the column of a mistake; the cell says so too.
  markMistakes() {
    for (const { row, column, reason } of JSON.parse(this.area.dataset.mistakes ?? "[]")) {
      const names = this.kind === "tiers" ? ["up to", "price", "flat"] : this.rows[0];
      const at = names.indexOf(column);
      const line = row === null ? 0 : row - 1;
      const cells = this.inputs[line] ?? [];
      for (const cell of at < 0 ? cells : cells.slice(at, at + 1)) {
        cell.setAttribute("aria-invalid", "true");
        cell.title = reason;
      }
    }
  }

  // ---- what people do

  focus(row, column) {
    const line = this.inputs[Math.max(0, Math.min(row, this.inputs.length - 1))] ?? [];
    const cell = line[Math.max(0, Math.min(column, line.length - 1))];
    if (cell?.dataset.cell !== "input") return false;
    cell.focus();
    cell.select();
    return true;
  }

  placeOf(element) {
    for (const [row, cells] of this.inputs.entries()) {
      const column = cells.indexOf(element);
      if (column >= 0) return { row, column };
    }
    return null;
  }

  onFocus(event) {
    this.at = this.placeOf(event.target) ?? this.at;
    this.beforeTyping = this.snapshot();
  }

  onInput(event) {
    const place = this.placeOf(event.target);
    if (!place) return;
    if (this.beforeTyping) this.remember(this.beforeTyping);
    this.beforeTyping = null;
    this.rows[place.row][place.column] = event.target.value;
    event.target.removeAttribute("aria-invalid");
    event.stopPropagation();
    this.write();
  }

  onKey(event) {
    if (event.target.closest(".grid-tool, .grid-remove-column")) {
      this.onToolKey(event);
      return;
    }
    const place = this.placeOf(event.target);
    if (!place || event.isComposing) return;
    const { row, column } = place;
    const { selectionStart: start, selectionEnd: end, value } = event.target;
    const all = start === 0 && end === value.length;
    let moved = true;
    if (event.key === "ArrowUp") moved = this.focus(row - 1, column) || this.focusColumnTool(column);
    else if (event.key === "ArrowDown") this.focus(row + 1, column);
    else if (event.key === "Enter" && event.shiftKey) this.focus(row - 1, column);
    else if (event.key === "Enter") this.down(row, column);
    else if (event.key === "ArrowLeft" && (all || end === 0)) this.focus(row, column - 1);
    else if (event.key === "ArrowRight" && (all || start === value.length)) this.right(row, column);
    else if (event.key === "Escape") this.box.querySelector(".grid-bar button").focus();
    else if (event.key === "z" && (event.ctrlKey || event.metaKey) && this.undone.length) this.undo();
    else moved = false;
    if (moved) event.preventDefault();
  }

  // Buttons that remove stand beside the cells: arrows lead to them and back.
  onToolKey(event) {
    const line = event.target.closest("tr").rowIndex;
    if (event.key === "ArrowLeft") this.focus(line, this.rows[0].length - 1);
    else if (event.key === "ArrowDown" && line === 0) this.focus(0, event.target.closest("th").cellIndex - 1);
    else if (event.key === "Escape") this.box.querySelector(".grid-bar button").focus();
    else return;
    event.preventDefault();
  }

  focusColumnTool(column) {
    const button = this.inputs[0]?.[column]?.parentElement.querySelector("button");
    button?.focus();
    return Boolean(button);
  }

  right(row, column) {
    if (column + 1 < this.rows[0].length) this.focus(row, column + 1);
    else this.inputs[row][column].closest("tr").querySelector(".grid-tool button")?.focus();
  }

  down(row, column) {
    const isLast = row === this.rows.length - 1 && this.kind !== "tiers";
    if (isLast && this.rows[row].some((value) => value.trim())) this.addRow(column);
    else this.focus(row + 1, column);
  }

  addRow(column = 0) {
    this.remember();
    const last = this.rows.at(-1);
    const before = this.kind === "tiers" && /^(above|\*|)$/i.test(last[0]) && this.rows.length > 1;
    const at = before ? this.rows.length - 1 : this.rows.length;
    this.rows.splice(at, 0, this.rows[0].map(() => ""));
    this.draw();
    this.write();
    this.focus(at, column);
  }

  addColumn(at) {
    this.remember();
    this.insertColumns(at, 1);
    this.draw();
    this.write();
    this.focus(0, at);
  }

  addProperty() {
    this.remember();
    this.insertColumns(this.properties, 1, "");
    this.properties += 1;
    this.draw();
    this.write();
    this.focus(0, this.properties - 1);
  }

  insertColumns(at, count, size = this.sizeBefore(at)) {
    this.rows.forEach((row, number) => {
      row.splice(at, 0, ...Array(count).fill(this.kind === "list" && number === 1 ? size : ""));
    });
  }

  sizeBefore(column) {
    return column > this.properties ? this.rows[1][column - 1] : "1M";
  }

  removeRow(number) {
    this.remember();
    this.rows.splice(number, 1);
    this.complete();
    this.draw();
    this.write();
    this.focus(Math.min(number, this.rows.length - 1), 0);
  }

  removeColumn(column) {
    this.remember();
    for (const row of this.rows) row.splice(column, 1);
    if (this.isProperty(column)) this.properties -= 1;
    this.draw();
    this.write();
    this.focus(0, Math.max(0, column - 1));
  }

  onPaste(event) {
    const place = this.placeOf(event.target);
    const text = event.clipboardData.getData("text/plain").replace(/\r\n?/g, "\n").replace(/\n$/, "");
    if (!place || !/[\t\n]/.test(text)) return;
    event.preventDefault();
    this.remember();
    const separator = text.includes("\t") ? "\t" : undefined;
    this.spread(TableText.read(text, separator).map((row) => row.values), place);
    this.complete();
    this.draw();
    this.write();
    this.focus(place.row, place.column);
  }

  // Puts a pasted block where it belongs: with its first row of names onto the names, without it
  // from the cell on; the table grows as far as the block needs.
  spread(block, { row, column }) {
    if (column === 0 && row <= this.heads && this.startsWithNames(block)) {
      this.replaceAll(block);
      return;
    }
    const width = Math.max(...block.map((values) => values.length));
    const missing = column + width - this.rows[0].length;
    if (missing > 0) {
      this.insertColumns(this.kind === "matrix" ? this.firstReserved() : this.rows[0].length, missing);
    }
    block.forEach((values, down) => {
      while (this.rows.length <= row + down) this.rows.push(this.rows[0].map(() => ""));
      values.forEach((value, right) => this.put(row + down, column + right, value));
    });
  }

  put(row, column, value) {
    if (this.fixedText(row, column, this.rows[row][column]) === null) this.rows[row][column] = value;
  }

  startsWithNames(block) {
    if (this.kind === "tiers" || block.length < 2 || block[0].length < 2) return false;
    const [names, ...others] = block;
    return (
      !names.slice(1).some((name) => name === "" || TableText.isPrice(name)) &&
      others.some((values) => values.slice(1).some(TableText.isPrice))
    );
  }

  replaceAll(block) {
    const [names, ...others] = block;
    const width = Math.max(...block.map((values) => values.length));
    const padded = (values) => [...values, ...Array(width - values.length).fill("")];
    const rows = [padded(names)];
    if (this.kind === "list") {
      rows.push(this.isPer(others[0]) ? padded(others.shift()) : this.sizesFor(rows[0]));
    } else if (!rows[0].some((name) => this.isReserved(name))) {
      rows[0][width - 1] = "price";
    }
    this.rows = [...rows, ...others.map(padded)];
    this.properties = this.countProperties();
  }

  // The sizes that meters had already, and a million for the others: token prices are meant so.
  sizesFor(names) {
    const before = new Map(this.rows[0].map((name, column) => [name, this.rows[1][column]]));
    return names.map((name, column) => (column ? before.get(name) || "1M" : "per"));
  }
}

(() => {
  const enhance = (root) => {
    for (const area of root.querySelectorAll("textarea[data-grid]")) {
      if (!area.closest(".empty-form") && !area.grid) area.grid = new Grid(area);
    }
  };
  enhance(document);
  document.addEventListener("formset:added", (event) => enhance(event.target));
})();
