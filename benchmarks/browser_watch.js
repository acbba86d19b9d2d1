// In every page that benchmarks/browser.py opens, before its own scripts: when what is on it, and when it answers.
(() => {
    const watched = window.watched = {interactive: 0, answered: 0, largest: 0, tasks: [], moved: 0};
    const painted = (then) => requestAnimationFrame(() => requestAnimationFrame(() => then(performance.now())));
    const tell = (what, at) => { watched[what] = at; document.documentElement.dataset[what] = '1'; };

    const observe = (type, each) => new PerformanceObserver((list) => list.getEntries().forEach(each)).observe({type, buffered: true});
    observe('longtask', (task) => watched.tasks.push(task.duration));
    observe('largest-contentful-paint', (shown) => { watched.largest = shown.startTime; });
    observe('layout-shift', (shift) => { if (!shift.hadRecentInput) watched.moved += shift.value; });

    const drawn = (graph) => graph && graph.querySelector('.hm image, .scatterlayer .js-line');
    const whenever = (happened) => {
        if (happened()) return;
        const observer = new MutationObserver(() => { if (happened()) observer.disconnect(); });
        observer.observe(document, {subtree: true, childList: true, attributes: true, attributeFilter: ['style', 'class']});
    };
    // Clicking a control that answers in the browser alone shows that its scripts run and that nothing holds them up.
    const whenShown = (shows, then) => whenever(() => shows() && (painted(then), true));
    const study = () => {
        const button = document.getElementById('study-rows-open');
        if (!button || !drawn(document.getElementById('study-figure'))) return false;
        button.click();
        whenShown(() => document.querySelector('#study-rows-boxes input')?.checkVisibility(), (at) => tell('interactive', at));
        return true;
    };
    const run = () => {
        const graphs = [...document.querySelectorAll('#run-curves .js-plotly-plot')];
        if (!graphs.length || !graphs.every(drawn)) return false;
        painted((at) => tell('interactive', at));
        return true;
    };
    const page = location.pathname.startsWith('/studies/') ? study : location.pathname.startsWith('/runs/') ? run : null;
    if (page) whenever(page);

    window.watchAnswer = (selector) => {
        watched.answered = 0;
        delete document.documentElement.dataset.answered;
        document.addEventListener('keydown', () => {
            const began = performance.now();
            const observer = new MutationObserver(() => {
                observer.disconnect();
                painted((at) => tell('answered', at - began));
            });
            observer.observe(document.querySelector(selector), {subtree: true, childList: true, characterData: true});
        }, {once: true, capture: true});
    };

    window.watchedSoFar = () => ({
        interactive_ms: watched.interactive,
        largest_shown_ms: watched.largest,
        long_tasks_ms: watched.tasks.reduce((sum, task) => sum + task, 0),
        longest_task_ms: Math.max(0, ...watched.tasks),
        moved: watched.moved,
        elements: document.querySelectorAll('*').length,
    });
})();
