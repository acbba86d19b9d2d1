// Parts of a page that never change, built from the trees that app/ui/still.py writes.
(function () {
  const build = tree => {
    if (typeof tree === 'string') return document.createTextNode(tree);
    const element = document.createElement(tree.tag);
    for (const [name, value] of Object.entries(tree.attributes)) element.setAttribute(name, value);
    element.append(...tree.children.map(build));
    return element;
  };

  const fill = () => {
    const places = document.querySelectorAll('[data-still]:empty');
    for (const place of places) place.append(build(JSON.parse(place.dataset.still)));
    // The address may name a section that was not there when the browser looked for it.
    const target = places.length && window.location.hash && document.getElementById(window.location.hash.slice(1));
    if (target) target.scrollIntoView();
  };

  new MutationObserver(fill).observe(document.documentElement, { childList: true, subtree: true });
})();
