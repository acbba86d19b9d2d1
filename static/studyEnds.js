// Says that a study has ended (see app/ui/study_ends.py): a notification of the browser, or a message in the page.
(() => {
    const KEY = 'peft-atlas-tell-me';
    const SHOWN_MS = 60000;
    const wanted = () => localStorage.getItem(KEY) === 'yes';

    const toast = ({title, text, href}) => {
        const box = document.getElementById('toasts');
        const message = document.createElement('div');
        message.className = 'toast';
        const link = document.createElement('a');
        link.href = href;
        link.textContent = title;
        const words = document.createElement('p');
        words.textContent = text;
        const close = document.createElement('button');
        close.type = 'button';
        close.className = 'icon icon-cross';
        close.setAttribute('aria-label', box.dataset.close);
        close.onclick = () => message.remove();
        message.append(...(href ? [link] : []), words, close);
        box.append(message);
        setTimeout(() => message.remove(), SHOWN_MS);
    };

    const notify = (news) => {
        if (!('Notification' in window) || Notification.permission !== 'granted') return toast(news);
        try {
            // Several tabs say the same: the tag makes them one.
            const shown = new Notification(news.title, {body: news.text, tag: `peft-atlas-study-${news.id}`});
            shown.onclick = () => { window.focus(); window.location.assign(news.href); };
        } catch (error) {
            toast(news);  // Phones allow notifications to service workers only.
        }
    };

    const functions = window.dash_clientside = window.dash_clientside || {};
    functions.study_ends = {
        choose: async (clicks) => {
            if (!clicks) return String(wanted());
            localStorage.setItem(KEY, wanted() ? 'no' : 'yes');
            if (wanted() && 'Notification' in window && Notification.permission === 'default') {
                await Notification.requestPermission();
            }
            if (wanted() && !('Notification' in window && Notification.permission === 'granted')) {
                toast({text: document.getElementById('toasts').dataset.refused});
            }
            return String(wanted());
        },
        tell: (ended) => {
            if (wanted()) (ended || []).forEach(notify);
            return functions.no_update;
        },
    };
})();
