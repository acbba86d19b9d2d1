// The drop zone of the page Import. Files go to the API in batches, straight from the browser, and what became of each
// comes back into the page's store.
(function () {
  const LARGEST_BATCH_BYTES = 8e6, MOST_A_BATCH = 50;

  // A sentence of the page's own language, its {places} filled.
  function said(name, places) {
    return zone().dataset[name].replace(/\{(\w+)\}/g, function (_, place) { return places[place]; });
  }

  function zone() { return document.getElementById('import-drop'); }

  function tell(text) {
    const line = document.getElementById('import-progress');
    if (line) line.textContent = text;
  }

  function pick(folders) {
    const input = document.createElement('input');
    input.type = 'file';
    input.multiple = true;
    if (folders) input.webkitdirectory = true; else input.accept = '.json';
    input.addEventListener('change', function () {
      send(Array.from(input.files, function (file) { return { path: file.webkitRelativePath || file.name, file: file }; }));
    });
    input.click();
  }

  async function filesBelow(entry, found) {
    if (entry.isFile) {
      const file = await new Promise(function (done, failed) { entry.file(done, failed); });
      found.push({ path: entry.fullPath.replace(/^\//, ''), file: file });
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise(function (done, failed) { reader.readEntries(done, failed); });
      if (!some.length) return;
      for (const one of some) await filesBelow(one, found);
    }
  }

  // One byte more than the largest file says that a file is too large; the rest of it need not travel.
  function cut(file) { return file.slice(0, Number(zone().dataset.largest) + 1); }

  function batchesOf(files) {
    const batches = [];
    let batch = [], bytes = 0;
    for (const one of files) {
      const size = cut(one.file).size;
      if (batch.length && (bytes + size > LARGEST_BATCH_BYTES || batch.length === MOST_A_BATCH)) {
        batches.push(batch); batch = []; bytes = 0;
      }
      batch.push(one); bytes += size;
    }
    if (batch.length) batches.push(batch);
    return batches;
  }

  async function sendBatch(batch) {
    const form = new FormData();
    for (const one of batch) form.append('files', cut(one.file), one.path);
    const answer = await fetch('/api/v1/imports/hf-peft', { method: 'POST', body: form });
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.detail || said('answered', { status: answer.status }));
    return told;
  }

  function show(data) { window.dash_clientside.set_props('import-report', { data: data }); }

  async function send(all) {
    const files = all.filter(function (one) { return !one.path.split('/').pop().startsWith('.'); });
    const total = { imported: 0, unchanged: 0, refused: [], study_ids: [] };
    let sent = 0;
    zone().classList.add('drop-busy');
    try {
      for (const batch of batchesOf(files)) {
        tell(said('sending', { sent: sent, files: files.length }));
        const told = await sendBatch(batch);
        sent += batch.length;
        total.imported += told.imported;
        total.unchanged += told.unchanged;
        total.refused.push(...told.refused);
        for (const id of told.study_ids) if (!total.study_ids.includes(id)) total.study_ids.push(id);
      }
      show({ report: total, files: files.length, problem: null });
    } catch (error) {
      show({ report: total, files: files.length, problem: error.message });
    } finally {
      tell('');
      zone().classList.remove('drop-busy');
    }
  }

  // A study that was exported as JSON goes as it is: one document, one request.
  async function sendStudy(file) {
    const answer = await fetch('/api/v1/imports/study', {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: file,
    });
    const told = await answer.json();
    const total = { imported: 0, unchanged: 0, refused: [], study_ids: [] };
    if (answer.ok) {
      total[answer.status === 201 ? 'imported' : 'unchanged'] = 1;
      total.study_ids.push(told.id);
    } else {
      const where = (told.errors || []).map(function (error) { return error.field; }).filter(Boolean);
      total.refused.push({ file: file.name, reason: told.detail + (where.length ? ' (' + where[0] + ')' : '') });
    }
    show({ report: total, files: 1, problem: null });
  }

  function pickStudy() {
    const input = document.createElement('input');
    input.type = 'file';
    input.accept = '.json';
    input.addEventListener('change', function () { if (input.files.length) sendStudy(input.files[0]); });
    input.click();
  }

  document.addEventListener('click', function (event) {
    const button = event.target.closest && event.target.closest('[data-import]');
    if (!button) return;
    if (button.dataset.import === 'study') pickStudy(); else pick(button.dataset.import === 'folder');
  });
  document.addEventListener('dragover', function (event) {
    if (!event.target.closest || !event.target.closest('#import-drop')) return;
    event.preventDefault();
    zone().classList.add('drop-over');
  });
  document.addEventListener('dragleave', function (event) {
    if (event.target.id === 'import-drop') zone().classList.remove('drop-over');
  });
  document.addEventListener('drop', async function (event) {
    if (!event.target.closest || !event.target.closest('#import-drop')) return;
    event.preventDefault();
    zone().classList.remove('drop-over');
    const entries = Array.from(event.dataTransfer.items, function (item) { return item.webkitGetAsEntry(); });
    const found = [];
    for (const entry of entries) if (entry) await filesBelow(entry, found);
    await send(found);
  });
})();
