// Tables as text, read and written the way the server does: columns separated by tabs, bars,
// semicolons or commas, whichever the first row has; quotes around values that contain one.
"use strict";

const TableText = (() => {
  const SEPARATORS = ["\t", "|", ";", ","];

  function separatorOf(text) {
    const firstRow = text.replace(/"(?:[^"]|"")*"/g, "").replace(/^\n+/, "").split("\n", 1)[0];
    return SEPARATORS.find((each) => firstRow.includes(each)) ?? ",";
  }

  // Returns the rows that hold anything, each with the line it starts on.
  function read(source, separator) {
    const text = source.replace(/\r\n?/g, "\n");
    const between = separator ?? separatorOf(text);
    const rows = [];
    let line = 1;
    let values = [];
    let position = 0;
    let startedOn = 1;
    const end = (value, ending) => {
      values.push(value);
      if (ending === between) return;
      if (values.some((each) => each !== "")) rows.push({ line: startedOn, values });
      values = [];
      line += 1;
      startedOn = line;
    };
    while (position <= text.length) {
      const quoted = /^[ \xa0]*"((?:[^"]|"")*)"[ \xa0]*/.exec(text.slice(position));
      const after = quoted ? text[position + quoted[0].length] : undefined;
      if (quoted && (after === undefined || after === between || after === "\n")) {
        position += quoted[0].length + 1;
        line += quoted[1].split("\n").length - 1;
        end(quoted[1].replaceAll('""', '"'), after);
        continue;
      }
      let stop = position;
      while (stop < text.length && text[stop] !== between && text[stop] !== "\n") stop += 1;
      end(text.slice(position, stop).trim(), text[stop]);
      position = stop + 1;
    }
    return rows;
  }

  function quote(value) {
    if (value === value.trim() && !/[|"\t\r\n]/.test(value)) return value;
    return `"${value.replaceAll('"', '""')}"`;
  }

  function write(rows) {
    const quoted = rows.map((row) => row.map(quote));
    const widths = (quoted[0] ?? []).map((_, column) =>
      Math.max(...quoted.map((row) => row[column].length)),
    );
    return quoted
      .map((row) =>
        row.map((value, column) => value.padEnd(widths[column])).join(" | ").trimEnd(),
      )
      .join("\n");
  }

  // Whether a pasted value is a price, as price pages write them, or says that there is none.
  function isPrice(value) {
    return /^(?:(?:US|C|A)?[$€£¥]\s*)?\d[\d.,]*\s*[$€£¥%]?$|^(?:-|–|—|n\/a|free)$/i.test(value.trim());
  }

  return { read, write, isPrice };
})();
