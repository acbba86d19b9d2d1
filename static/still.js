// Parts of a page that no callback reaches into, built from the trees that app/ui/still.py writes.
(function () {
  const built = new WeakMap();

  const build = tree => {
    if (typeof tree === 'string') return document.createTextNode(tree);
    const element = document.createElement(tree.tag);
    for (const [name, value] of Object.entries(tree.attributes)) element.setAttribute(name, value);
    element.append(...tree.children.map(build));
    return element;
  };

  const show = place => {
    const {still} = place.dataset, before = built.get(place);
    if (before && before.still === still) return false;
    // An element that is used again for what is not still is left to whoever uses it.
    for (const node of before ? before.nodes : []) node.remove();
    const nodes = still === undefined ? [] : JSON.parse(still).map(build);
    place.append(...nodes);
    built.set(place, {still, nodes});
    return true;
  };

  const fill = changes => {
    for (const {type, target} of changes) if (type === 'attributes') show(target);
    const shown = [...document.querySelectorAll('[data-still]')].filter(show).length;
    // The address may name a section that was not there when the browser looked for it.
    const target = shown && window.location.hash && document.getElementById(window.location.hash.slice(1));
    if (target) target.scrollIntoView();
  };

  new MutationObserver(fill).observe(document.documentElement, {
    childList: true, subtree: true, attributes: true, attributeFilter: ['data-still'],
  });
})();
