/** @file The page around a report: one file, one style sheet, no script, nothing from the network; light and dark, screen, phone and paper. */
import { asHtml, type Html, html } from "./html.ts";
import { colors } from "./plot.ts";

export interface PageParts {
  readonly title: string;
  readonly body: Html;
}

/** The whole document as text. */
export function page({ title, body }: PageParts): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>${title}</title>
<style>${asHtml(sheet())}</style>
</head>
<body>
<main>
${body}
</main>
</body>
</html>
`.markup;
}

/** The style sheet of reports: colours, figures, tables. */
export const sheet = (): string => colors(":root") + style;

// --- internal ---

const style = `
:root{color-scheme:light dark}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1120px;margin:0 auto;padding:24px 20px 64px}
h1{font-size:1.7rem;line-height:1.2;margin:0 0 .6rem}
h2{font-size:1.3rem;margin:2.6rem 0 .8rem;padding-top:.8rem;border-top:1px solid var(--line)}
h3{font-size:1rem;margin:0 0 .3rem}
.verdict{font-size:1.15rem;max-width:52rem;margin:0 0 .6rem}
.alarm{border:2px solid var(--vermillion);border-radius:6px;padding:.6rem .8rem;font-weight:600}
.quiet,.note,caption,dt,small,summary{color:var(--muted)}
nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:.2rem 1rem;margin:1rem 0;padding:0}
a{color:var(--ink)}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,460px),1fr));gap:2rem 2.4rem;align-items:start}
.figures>.wide{grid-column:1/-1}
.wide>.scroll{margin-bottom:1.6rem}
figure{margin:0;min-width:0}
svg.plot{display:block;max-width:100%;height:auto;overflow:visible}
svg.plot text{white-space:pre}
.plot [data-part$="grid"]{stroke:var(--line);stroke-opacity:1}
.note{font-size:.9rem;margin:.4rem 0 0}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.1rem 1rem;margin:0 0 .2rem;padding:0;font-size:.88rem}
.legend li{display:flex;align-items:center;gap:.4rem}
.key{flex:none;width:1.4rem;border-top:3px solid}
.key.dashed{border-top-style:dashed}
.key.area{height:.8rem;border:1px solid;background:currentColor;opacity:.45}
.key.dot{width:.7rem;height:.7rem;border:0;border-radius:50%;background:currentColor}
.key.ring{width:.8rem;height:.8rem;border:1.5px solid;border-radius:50%}
.symbol{flex:none;width:.8rem;height:.8rem;fill:currentColor}
.hash{display:block;min-width:18rem;white-space:normal;overflow-wrap:anywhere}
details{margin:.5rem 0;font-size:.9rem}
summary{cursor:pointer}
.scroll{overflow-x:auto;margin:.5rem 0}
table{border-collapse:collapse;font-size:.88rem;font-variant-numeric:tabular-nums}
caption{text-align:left;padding:.2rem 0;font-size:.88rem}
th,td{padding:.3rem .7rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top;white-space:nowrap}
thead th{background:var(--soft);font-weight:600}
tbody th{font-weight:500}
.wide>.scroll :is(th,td){padding:.3rem .45rem}
.wide>.scroll table{font-size:.84rem}
.wide>.scroll thead th{white-space:normal;vertical-align:bottom}
th.number,td.number{text-align:right}
td strong{background:var(--soft);box-shadow:0 0 0 3px var(--soft);border-radius:2px}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.3rem 1rem;margin:.6rem 0;font-size:.9rem}
dd{margin:0;min-width:0;overflow-wrap:anywhere}
pre{background:var(--soft);padding:.7rem .9rem;border-radius:6px;white-space:pre-wrap;overflow-wrap:anywhere;font-size:.82rem;margin:.5rem 0}
code{font-family:ui-monospace,SFMono-Regular,Consolas,monospace;font-size:.92em}
.weakest{display:grid;grid-template-columns:repeat(auto-fill,minmax(248px,1fr));gap:1rem;margin:.6rem 0}
.card{break-inside:avoid}
.card p{margin:.3rem 0 0;font-size:.9rem;line-height:1.35}
.pictures{display:flex;flex-wrap:wrap;gap:4px}
.pictures img{width:80px;height:auto;aspect-ratio:1;image-rendering:pixelated;background:var(--paper);border:1px solid var(--line)}
@media (max-width:520px){main{padding:16px 14px 48px}h1{font-size:1.4rem}.verdict{font-size:1.05rem}dl{grid-template-columns:1fr}svg.plot{font-size:15px!important}}
@media print{main{max-width:none;padding:0}body{font-size:10pt}h2{break-after:avoid}figure,.card,tr{break-inside:avoid}figure.wide{break-inside:auto}details:not([open]),nav{display:none}.scroll{overflow:visible}.figures{grid-template-columns:1fr 1fr;gap:1rem}table{font-size:7.5pt}th,td{padding:.15rem .35rem;white-space:normal}.wide>.scroll tbody :is(th,td){padding:.15rem .3rem;white-space:nowrap}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
`;
