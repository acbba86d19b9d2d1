// Figures are drawn by plotly, which app/ui/shell.py has the page load at once. Dash would load it when the first figure
// has come, a second later; it waits for what window.Plotly promises, and this promises it until it is there.
(() => {
    const script = document.getElementById('plotly');
    if (!script || window.Plotly) return;
    window.Plotly = new Promise((loaded, failed) => {
        script.addEventListener('load', () => loaded());
        script.addEventListener('error', () => failed(new Error('plotly.js did not load')));
    });
})();
