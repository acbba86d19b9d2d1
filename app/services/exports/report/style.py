"""The report's style sheet: both themes, narrow screens, paper."""

from app.colours import DARK, FONT, LIGHT, Palette

VERDICTS = ("better", "tie", "worse")
TONES = ("page", "surface", "line", "strong", "ink", "ink_2", "accent", "accent_soft", "warn", "warn_soft", "bad")


def style_sheet() -> str:
    """The whole sheet; paper is always light."""
    families = "".join(_class(f"f-{_dashed(name)}", "fill", "stroke") for name in LIGHT.families)
    heat = "".join(f".h{step}{{background:var(--h{step});color:var(--on-heat)}}" for step in range(len(LIGHT.heat)))
    verdicts = "".join(f".v-{name}{{stroke:var(--v-{name})}}" + _verdict_text(name) for name in VERDICTS)
    return (
        f":root{{color-scheme:light dark;{_variables(LIGHT)}--on-heat:{LIGHT.ink}}}"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{_variables(DARK)}--on-heat:#fff}}}}"
        f"{RULES.replace('FONT', FONT)}{families}{heat}{verdicts}{LAST}"
    )


def _class(name: str, *properties: str) -> str:
    return f".{name}{{{''.join(f'{which}:var(--{name});' for which in properties)}}}"


def _verdict_text(name: str) -> str:
    return f".t-{name},svg text.t-{name}{{color:var(--v-{name});fill:var(--v-{name})}}"


def _variables(palette: Palette) -> str:
    values = {_dashed(name): getattr(palette, name) for name in TONES}
    values |= {f"f-{_dashed(name)}": colour for name, colour in palette.families.items()}
    values |= {f"h{step}": colour for step, colour in enumerate(palette.heat)}
    values |= {"v-better": palette.better, "v-tie": palette.tie, "v-worse": palette.worse}
    return "".join(f"--{name}:{value};" for name, value in values.items())


def _dashed(name: str) -> str:
    return name.replace("_", "-")


RULES = """
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:14px/1.5 FONT}
main{max-width:1040px;margin:0 auto;padding:32px 24px 48px}
h1{font-size:26px;line-height:1.25;margin:0 0 8px;overflow-wrap:anywhere}
h2{font-size:17px;margin:0 0 8px}
header,section{background:var(--surface);border:1px solid var(--line);border-radius:8px}
header,section{padding:20px 24px;margin-bottom:16px}
.kicker{color:var(--ink-2);font-size:13px;margin:0 0 4px}
.verdict{font-size:17px;line-height:26px;margin:0 0 16px;max-width:70ch}
.verdict b,.verdict .number{font-weight:650}
.note{color:var(--ink-2);font-size:13px;margin:0 0 12px;max-width:90ch}
.flag{background:var(--warn-soft);border-radius:6px;padding:8px 12px;margin:0 0 16px}
ul{margin:0 0 12px;padding-left:20px;max-width:90ch}
li{margin-bottom:4px;overflow-wrap:anywhere}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(220px,1fr));gap:12px 24px;margin:0}
.facts dt{color:var(--ink-2);font-size:12px}
.facts dd{margin:0;overflow-wrap:anywhere}
.facts+.note{margin:12px 0 0}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:6px 14px 6px 0;border-bottom:1px solid var(--line);vertical-align:top;white-space:nowrap}
thead th{font-size:12px;color:var(--ink-2);font-weight:600;border-bottom-color:var(--strong);vertical-align:bottom}
tbody th{font-weight:500}
.wrap td{white-space:normal}
.small{font-size:12px}
.cells td:nth-child(7){white-space:normal;min-width:150px}
.failures td:nth-child(5){min-width:240px}
.heat th,.heat td{padding:6px 10px}
.heat thead th:first-child{padding-left:0}
.heat tbody th{padding-left:0;position:sticky;left:0;background:var(--surface)}
.heat td{border:1px solid var(--surface);min-width:76px}
.heat .missing{color:var(--ink-2);outline:1px dotted var(--strong);outline-offset:-3px}
.unit,.below{display:block;font-size:11px;font-weight:400;color:var(--ink-2)}
.heat .below{color:inherit}
.heat .bad{color:var(--bad);background:var(--surface);border-radius:3px;padding:0 4px;width:max-content}
.name{white-space:nowrap}
.mark{margin-right:6px;vertical-align:-2px}
.tried{display:inline-block;margin-right:18px;white-space:nowrap}
.key{display:inline-block;width:96px;height:9px;border:1px solid var(--line)}
.key{background:linear-gradient(90deg,var(--h0),var(--h8))}
.figure{display:block;max-width:100%;height:auto;margin:4px 0 12px}
.only-narrow{display:none}
svg text{fill:var(--ink);font-family:inherit}
svg .soft{fill:var(--ink-2)}
.grid{stroke:var(--line)}.axis{stroke:var(--strong)}
.zero{stroke:var(--strong);stroke-dasharray:none}
.floor{stroke:var(--ink-2);stroke-dasharray:4 4}
.whisker{stroke:var(--strong);stroke-width:1.4}
.thin{stroke-width:1.2}.thick{stroke-width:3.6}
pre{margin:0;padding:14px 16px;background:var(--page);border:1px solid var(--line);border-radius:6px}
pre{overflow-x:auto;font-size:12px;line-height:1.45}
footer{color:var(--ink-2);font-size:12px}
@media(max-width:640px){
main{padding:12px 10px 32px}header,section{padding:16px 14px;border-radius:6px}h1{font-size:21px}
.verdict{font-size:16px;line-height:24px}.only-wide{display:none}.only-narrow{display:block}
.facts{grid-template-columns:1fr 1fr;gap:10px 14px}
}
@media print{
@page{margin:13mm}
body{background:#fff;font-size:9.5pt;-webkit-print-color-adjust:exact;print-color-adjust:exact}
main{max-width:none;padding:0}header,section{border:0;padding:0;margin-bottom:18pt}
h2{break-after:avoid}tr,.figure,.facts div{break-inside:avoid}
.scroll{overflow:visible}th,td{white-space:normal;padding-right:8px}
.heat th,.heat td{padding:4px 5px}.heat td{min-width:0}
.heat .below,.unit{font-size:7.5pt}.name,.tried{white-space:normal}
pre{white-space:pre-wrap;overflow-wrap:anywhere}
.only-wide{display:block}.only-narrow{display:none}
}
"""
LAST = ".hollow{fill:var(--surface);stroke-width:1.8}"
"""Behind the families' own fill."""
