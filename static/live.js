// Follows what pages mark with data-follow (see app/ui/live.py): subscribes while a mark is on the page, sets its store
// when the server says that something changed, and after a lost connection asks what stands now.
(() => {
    const LOST_AFTER_MS = 1500;
    const FIRST_WAIT_MS = 500;
    const LONGEST_WAIT_MS = 10000;
    const AGAIN_MS = 3000;
    const followed = new Map();
    let socket = null, wait = FIRST_WAIT_MS, retry = null, lost = null, numbers = 0;

    const open = () => socket !== null && socket.readyState === WebSocket.OPEN;
    const say = (message) => { if (open()) socket.send(JSON.stringify(message)); };

    const subscribe = (mark, entry) => {
        const {follow: subject, what} = mark.dataset;
        say({follow: entry.number, subject, what, seen: entry.seen});
    };

    const show = (mark, version) => {
        if (mark.isConnected) window.dash_clientside.set_props(`${mark.dataset.follow}-live`, {data: version});
    };

    const marked = (number) => [...followed].find(([, entry]) => entry.number === number) || [null, null];

    const heard = ({data}) => {
        const {changed, version, ended} = JSON.parse(data);
        const [mark, entry] = marked(changed === undefined ? ended : changed);
        if (!mark) return;
        if (changed !== undefined) {
            entry.seen = version;
            show(mark, version);
        } else {
            entry.ended = true;
            say({leave: entry.number});
        }
    };

    // The page's own websocket may come back later than this one, and an answer in between is lost: asked once more.
    const catchUp = () => {
        for (const [mark, entry] of followed) if (!entry.ended && entry.seen) show(mark, entry.seen);
    };

    const tell = (away) => {
        const line = document.getElementById('connection-line');
        if (line) window.dash_clientside.set_props('connection-line', {children: away ? line.dataset.words : ''});
    };

    const connected = () => {
        const back = lost !== null;
        wait = FIRST_WAIT_MS;
        clearTimeout(lost);
        lost = null;
        tell(false);
        followed.forEach((entry, mark) => { if (!entry.ended) subscribe(mark, entry); });
        if (back) setTimeout(catchUp, AGAIN_MS);
    };

    const LOGGED_OUT = 4401;
    const closed = ({code}) => {
        socket = null;
        if (code === LOGGED_OUT) return location.reload();
        for (const entry of followed.values()) if (!entry.ended) entry.seen = '';
        lost = lost || setTimeout(tell, LOST_AFTER_MS, true);
        clearTimeout(retry);
        retry = setTimeout(connect, wait * (0.75 + Math.random() / 2));
        wait = Math.min(2 * wait, LONGEST_WAIT_MS);
    };

    function connect() {
        clearTimeout(retry);
        if (socket !== null) return;
        const language = new URLSearchParams({language: document.documentElement.lang});
        socket = new WebSocket(`${location.protocol === 'https:' ? 'wss:' : 'ws:'}//${location.host}/_live?${language}`);
        socket.onopen = connected;
        socket.onmessage = heard;
        socket.onclose = closed;
    }

    // Marks come and go with pages; one whose data changed is followed anew.
    const look = () => {
        for (const [mark, entry] of followed) {
            if (mark.isConnected && entry.key === key(mark)) continue;
            followed.delete(mark);
            if (!entry.ended) say({leave: entry.number});
        }
        for (const mark of document.querySelectorAll('[data-follow]')) {
            if (followed.has(mark)) continue;
            const entry = {number: ++numbers, seen: mark.dataset.seen, key: key(mark), ended: false};
            followed.set(mark, entry);
            subscribe(mark, entry);
        }
        if (followed.size && socket === null && !lost) connect();
    };
    const key = ({dataset}) => [dataset.follow, dataset.what, dataset.seen].join('\n');

    new MutationObserver(look).observe(document.documentElement, {
        subtree: true, childList: true, attributes: true, attributeFilter: ['data-follow', 'data-what', 'data-seen'],
    });
    window.addEventListener('online', () => { if (!open()) connect(); });
    document.addEventListener('visibilitychange', () => { if (!document.hidden && followed.size && !open()) connect(); });
    look();
})();
