// One question of the Recommend page at a time (see app/ui/recommend/from_study.py): while its answer is on the way, of
// all that is set meanwhile only the last is kept, and asked next. What is on screen stays until the answer is there.
(() => {
    const dash = window.dash_clientside = window.dash_clientside || {};
    const LOST_MS = 10000;
    let number = 0, flying = 0, waiting = null, lost = null;

    const send = (question) => {
        flying = ++number;
        waiting = null;
        clearTimeout(lost);
        lost = setTimeout(answered, LOST_MS, flying);
        return {...question, number: flying};
    };

    const ask = (study, scenario, weights, limits, floor) => {
        const question = {study, scenario, weights, limits, floor};
        // The page was opened anew: nobody waits for an answer to the one before.
        if (!dash.callback_context.triggered.length) flying = 0;
        if (!flying) return send(question);
        waiting = question;
        return dash.no_update;
    };

    const answered = (answer) => {
        if (answer !== flying) return dash.no_update;
        flying = 0;
        clearTimeout(lost);
        if (waiting) dash.set_props('recommend-asked', {data: send(waiting)});
        return dash.no_update;
    };

    dash.recommend = {ask, answered};
})();
