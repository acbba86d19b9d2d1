// The guide to the chapter: SVG from trees of elements, and the settings as a person changes them.
(function () {
  const SVG = 'http://www.w3.org/2000/svg';
  const WAIT_MILLISECONDS = 60;
  let waiting = null;

  const build = tree => {
    if (typeof tree === 'string') return document.createTextNode(tree);
    const element = document.createElementNS(SVG, tree.tag);
    for (const [name, value] of Object.entries(tree.attributes)) element.setAttribute(name, value);
    element.append(...tree.children.map(build));
    return element;
  };

  const remember = price => {
    try {
      if (price === null) window.localStorage.removeItem('peft-atlas-price');
      else window.localStorage.setItem('peft-atlas-price', String(price));
    } catch (error) { /* A browser that keeps nothing: the price holds until the page is left. */ }
  };

  const remembered = () => {
    try { return Number(window.localStorage.getItem('peft-atlas-price')) || null; } catch (error) { return null; }
  };

  const writeAddress = query => {
    if (window.location.pathname === '/guide') {
      window.history.replaceState(null, '', '/guide' + (query ? '?' + query : '') + window.location.hash);
    }
  };

  window.dashMantineFunctions = Object.assign(window.dashMantineFunctions || {}, {
    powerOfTwo: value => 2 ** value,
  });

  window.dash_clientside = Object.assign(window.dash_clientside || {}, {
    chapter: {
      draw: (tree, id) => {
        const place = document.querySelector(`[data-drawing="${id.name}"]`);
        if (place && tree) place.replaceChildren(build(tree));
        return window.dash_clientside.no_update;
      },
      // What a slider says stands beside it at once; the numbers follow when the hand rests for a moment.
      settle: (values, model, config, device, price, ids, powers, before) => {
        const settings = {
          ...before, model, config: config || '', device, price: typeof price === 'number' ? price : null,
        };
        ids.forEach((id, place) => { settings[id.name] = powers[id.name] ? 2 ** values[place] : values[place]; });
        clearTimeout(waiting);
        if (JSON.stringify(settings) !== JSON.stringify(before)) {
          waiting = setTimeout(
            () => window.dash_clientside.set_props('chapter-settings', { data: settings }), WAIT_MILLISECONDS);
        }
        return ids.map(id => settings[id.name].toLocaleString(document.documentElement.lang || 'en'));
      },
      keepPrice: price => {
        if (window.chapterPriceRead) remember(typeof price === 'number' ? price : null);
        return window.dash_clientside.no_update;
      },
      readPrice: () => {
        window.chapterPriceRead = true;
        const price = remembered();
        return price === null ? window.dash_clientside.no_update : price;
      },
      address: query => { writeAddress(query); return window.dash_clientside.no_update; },
    },
  });
})();
