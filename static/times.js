// Every <time datetime> is written in the viewer's own time zone and in the page's language; its title says it in UTC.
(() => {
    const REWRITE_MS = 15000;
    const STEPS = [
        ['year', 31557600], ['month', 2629800], ['day', 86400], ['hour', 3600], ['minute', 60], ['second', 1],
    ];
    const language = () => document.documentElement.lang || undefined;

    const absolute = (when) => new Intl.DateTimeFormat(language(), {dateStyle: 'medium', timeStyle: 'short'}).format(when);

    const relative = (when) => {
        const seconds = (when - Date.now()) / 1000;
        const [unit, size] = STEPS.find(([, size]) => Math.abs(seconds) >= size) || STEPS[STEPS.length - 1];
        return new Intl.RelativeTimeFormat(language(), {numeric: 'auto'}).format(Math.trunc(seconds / size), unit);
    };

    const write = (element) => {
        const when = new Date(element.dateTime);
        if (Number.isNaN(when.getTime())) return;
        const words = 'relative' in element.dataset ? relative(when) : absolute(when);
        if (element.textContent !== words) element.textContent = words;
        const title = when.toISOString().replace('T', ' ').replace(/\.\d+Z$/, ' UTC');
        if (element.title !== title) element.title = title;
    };

    const writeAll = (root) => {
        if (root.matches('time[datetime]')) write(root);
        root.querySelectorAll('time[datetime]').forEach(write);
    };

    // A page writes its own text again when its time changes, and brings elements that were not there before.
    const touched = ({target, addedNodes}) => {
        const element = target.nodeType === Node.ELEMENT_NODE ? target : target.parentElement;
        const time = element && element.closest('time[datetime]');
        if (time) write(time);
        for (const node of addedNodes) if (node.nodeType === Node.ELEMENT_NODE) writeAll(node);
    };

    new MutationObserver((changes) => changes.forEach(touched)).observe(document.documentElement, {
        subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ['datetime'],
    });
    writeAll(document.documentElement);
    setInterval(() => document.querySelectorAll('time[data-relative]').forEach(write), REWRITE_MS);
})();
