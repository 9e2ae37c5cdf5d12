"use strict";
// The search of the table: rows that contain every word stay.
(() => {
  const find = document.getElementById("rows-find");
  const shownLine = document.getElementById("rows-shown");
  const none = document.getElementById("rows-none");
  const all = shownLine.textContent.trim();
  const rows = [...document.querySelectorAll("#rows tbody tr")];
  const texts = rows.map((row) => [...row.cells].slice(1).map((cell) => cell.textContent).join("\n").toLowerCase());

  find.addEventListener("input", () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, index) => {
      const has = words.every((word) => texts[index].includes(word));
      row.hidden = !has;
      shown += has;
    });
    shownLine.textContent = words.length ? `${shown.toLocaleString("en")} of ${rows.length.toLocaleString("en")} rows` : all;
    none.hidden = shown > 0 || rows.length === 0;
  });
})();
