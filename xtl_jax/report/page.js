// Filters the wrong examples. Everything is on the page already and can be read without
// this script; it only hides what was not asked for.
(() => {
  const root = document.getElementById("mistakes");
  if (!root) return;
  const form = root.querySelector("form");
  const groups = [...root.querySelectorAll("details.group")];
  const count = form.querySelector("output");
  form.hidden = false;

  const apply = () => {
    const family = form.elements.family?.value ?? "";
    const language = form.elements.language.value;
    const right = form.elements.right?.value ?? "";
    const text = form.elements.text.value.trim().toLocaleLowerCase();
    const asked = Boolean(family || language || right || text);
    let total = 0;
    for (const group of groups) {
      const fits =
        (!family || group.dataset.family === family) &&
        (!language || group.dataset.language === language);
      let shown = 0;
      for (const example of group.querySelectorAll("article")) {
        const arms = example.dataset.right.split(" ").filter(Boolean);
        const matches =
          fits &&
          (!right || (right === "none" ? arms.length === 0 : arms.includes(right))) &&
          (!text || example.textContent.toLocaleLowerCase().includes(text));
        example.hidden = !matches;
        if (matches) shown += 1;
      }
      group.hidden = asked && shown === 0;
      if (asked && shown) group.open = true;
      total += shown;
    }
    count.textContent = asked ? `${total} shown` : "";
  };
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
})();
