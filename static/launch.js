// The form of a new study in the browser: its steps, its address, what is wrong beside each field, and uploads.
(function () {
  const dash = (window.dash_clientside = window.dash_clientside || {});
  const KEPT_PRICE = 'peft-atlas-price';

  function move() {
    const now = arguments[arguments.length - 1];
    const found = dash.callback_context.triggered[0];
    if (!found || !found.value) return dash.no_update;
    const name = found.prop_id.slice(0, found.prop_id.lastIndexOf('.'));
    const to = name === 'step-back' ? now - 1 : name === 'step-next' ? now + 1 : JSON.parse(name).number;
    if (to < 1 || to > 7) return dash.no_update;
    // Who walks on by keyboard goes on reading at the step's head; who chose it in the row of steps stays there.
    if (!name.includes('"type":"step"')) setTimeout(() => document.getElementById('step-head-' + to)?.focus(), 60);
    window.scrollTo({ top: 0 });
    return to;
  }

  function show(now, problems, words) {
    const all = [1, 2, 3, 4, 5, 6, 7];
    const wrong = all.map(step => problems?.steps?.[step] ?? 0);
    return [
      all.map(step => step !== now),
      all.map((step, at) => 'step' + (step === now ? ' step-now' : '') + (wrong[at] ? ' step-wrong' : step < now ? ' step-done' : '')),
      all.map(step => (step === now ? 'step' : undefined)),
      all.map((step, at) => (wrong[at] ? words.fix.replace('{count}', wrong[at]) : '')),
      now === 1, now === 7, words.nexts[now - 1], now !== 7,
    ];
  }

  // The forms of the chosen methods, on their step alone and of many methods only those that were opened: drawing them
  // takes a browser long. What was set stands in a store and is there when a form is drawn again.
  function forms(mostOpen, chosen, step, titles, all, words, opened, values) {
    const asked = dash.callback_context.triggered_id;
    if (step !== 3) return [dash.no_update, dash.no_update, dash.no_update];
    const methods = [...new Set(chosen.map(row => row.method))].filter(method => all[method]);
    if (asked?.type === 'form-title') {
      const drawn = methods.length <= mostOpen || opened.includes(asked.method);
      if (drawn || !titles.some(Boolean)) return [dash.no_update, dash.no_update, dash.no_update];
      opened = [...opened, asked.method];
    }
    const shown = methods.map(method => {
      const form = structuredClone(all[method]), rows = chosen.filter(row => row.method === method);
      const [, said, fields] = form.props.children;
      form.props.open = methods.length <= mostOpen || opened.includes(method);
      said.props.children = rows.length > 1 ? words.rows.replace('{rows}', rows.map(row => row.label).join(', ')) : '';
      if (!form.props.open) fields.props.children = [];
      for (const { props } of fields.props.children) {
        const set = values[method]?.[props.id.field];
        if (set !== undefined) props.value = typeof set === 'boolean' ? String(set) : set;
      }
      return form;
    });
    return [shown, shown.length ? '' : chosen.length ? words.nothing : words.none, opened];
  }

  function collect(typed, ids, kept, all) {
    const found = structuredClone(kept);
    let changed = false;
    ids.forEach((id, place) => {
      const before = found[id.method]?.[id.field];
      const own = all[id.method].props.children[2].props.children.find(field => field.props.id.field === id.field);
      const now = typed[place], was = before === undefined ? own.props.value : before;
      if (String(now) === String(was)) return;
      (found[id.method] ??= {})[id.field] = now;
      changed = true;
    });
    return changed ? found : dash.no_update;
  }

  // The whole form stands in the address: a reload, or a link to it, shows the same. No navigation, which would mount
  // the page anew under the person's hand.
  function keep(step, fields) {
    if (fields && window.location.pathname === '/studies/new') {
      const query = Object.entries({ ...fields, step }).map(([name, value]) =>
        name + '=' + encodeURIComponent(value).replace(/%(28|29|2C|3A|40|7E|2F)/g, decodeURIComponent));
      window.history.replaceState(null, '', '/studies/new?' + query.join('&'));
    }
    return dash.no_update;
  }

  function beside(problems, mapping, fields, hyperparameters) {
    const said = { ...(problems?.fields ?? {}), ...(mapping ?? {}) };
    return [
      ...fields.map(id => said[id] ?? null),
      hyperparameters.map(id => problems?.fields?.[id.method + ' ' + id.field] ?? null),
    ];
  }

  function price(typed, kept) {
    const triggered = dash.callback_context.triggered_id;
    if (triggered === 'study-price') {
      if (typed === '' || typed === null || !(typed > 0)) localStorage.removeItem(KEPT_PRICE);
      else localStorage.setItem(KEPT_PRICE, JSON.stringify(typed));
      return [dash.no_update, typed > 0 ? typed : null];
    }
    const found = Number(localStorage.getItem(KEPT_PRICE));
    return found > 0 ? [found, found] : [dash.no_update, null];
  }

  function download(clicks, text, name) {
    if (!clicks || !text) return dash.no_update;
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([text], { type: 'application/yaml' }));
    link.download = (name || 'study').replace(/[^\p{L}\p{N}]+/gu, '-').replace(/^-|-$/g, '') + '.yaml';
    link.click();
    URL.revokeObjectURL(link.href);
    return dash.no_update;
  }

  dash.launch = { move, show, forms, collect, keep, beside, price, download };

  // -- uploads: straight from the browser to the API --------------------------------------------------------------

  const zone = () => document.getElementById('dataset-drop');

  function tell(text) {
    const line = document.getElementById('dataset-progress');
    if (line) line.textContent = text;
  }

  async function send(file) {
    const words = zone().dataset;
    if (file.size > Number(words.largest)) {
      dash.set_props('study-uploaded', { data: { problem: words.tooLarge } });
      return;
    }
    const form = new FormData();
    form.append('file', file, file.name);
    zone().classList.add('drop-busy');
    tell(words.sending);
    try {
      const answer = await fetch('/api/v1/datasets', { method: 'POST', body: form });
      const told = await answer.json();
      dash.set_props('study-uploaded', { data: answer.ok ? { dataset: told } : { problem: told.detail } });
    } catch {
      dash.set_props('study-uploaded', { data: { problem: words.lost } });
    } finally {
      tell('');
      zone()?.classList.remove('drop-busy');
    }
  }

  function choose(accept, take) {
    const input = document.createElement('input');
    input.type = 'file';
    input.accept = accept;
    input.addEventListener('change', () => input.files.length && take(input.files[0]));
    input.click();
  }

  document.addEventListener('click', event => {
    const button = event.target.closest?.('[data-launch]');
    if (!button) return;
    if (button.dataset.launch === 'dataset') choose(zone().dataset.forms, send);
    else choose('.yaml,.yml,.json', async file => dash.set_props('yaml-text', { value: await file.text() }));
  });
  for (const kind of ['dragover', 'dragleave', 'drop'])
    document.addEventListener(kind, event => {
      if (!event.target.closest?.('#dataset-drop')) return;
      event.preventDefault();
      zone().classList.toggle('drop-over', kind === 'dragover');
      if (kind === 'drop' && event.dataTransfer.files.length) send(event.dataTransfer.files[0]);
    });
})();
