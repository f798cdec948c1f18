// Select2 calls the text inside its picker a text box of its own, which has no name to be read
// out. The control is the picker around it, and that one is named by this very text.
"use strict";

django.jQuery(() => {
  for (const text of document.querySelectorAll(".select2-selection__rendered")) {
    text.removeAttribute("role");
    text.removeAttribute("aria-readonly");
  }
});
