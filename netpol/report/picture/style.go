package picture

// style holds the colours of the drawing, light and dark. Texts have a contrast of at least 4.5 to 1 (WCAG 2.2, 1.4.3), lines of at
// least 3 to 1 (1.4.11).
const style = `
.oa text{font-family:ui-sans-serif,system-ui,"Segoe UI",Helvetica,Arial,sans-serif;font-size:13px;fill:#15231c}
.oa .bg{fill:#fff}
.oa .b{font-weight:650}.oa .h{font-size:21px;font-weight:700}.oa .s{font-size:11.5px;fill:#4a5c52}
.oa .m{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:11px}.oa .x{font-size:10px}
.oa text.n{font-size:11.5px}.oa text.t{font-size:10.5px}
.oa .mid{text-anchor:middle}.oa .end{text-anchor:end}
.oa .zone{font-size:11px;font-weight:650;letter-spacing:.09em;fill:#5b6d63}
.oa .box{fill:#f4f9f6;stroke:#1d5c3d;stroke-width:2.5}.oa .border{fill:#1d5c3d}
.oa .inner{fill:#eaf3ee;stroke:#bcd0c4;stroke-width:1}
.oa .card{fill:#fff;stroke:#8aa196;stroke-width:1.2}.oa .key{fill:#e2f4e9;stroke:#1f7a4d;stroke-width:2}
.oa .store{fill:#f6f1e3;stroke:#b3a06a;stroke-width:1.2}
.oa .lane{stroke:#d3dfd8;stroke-width:1;fill:none}.oa .wire{stroke:#8fb5a0;stroke-width:1.3;fill:none}
.oa .chip{fill:#edf2ef;stroke:#c2cfc8;stroke-width:1}.oa .chip.ok{fill:#d9f2e3;stroke:#1f7a4d}
.oa .chip.exc{fill:#ffedc7;stroke:#a86d00}.oa .chip.bad{fill:#fbdcd9;stroke:#c0281c;stroke-width:1.6}.oa .chip.mis{fill:#fff;stroke:#c0281c;stroke-dasharray:3 2}
.oa .dot{stroke-width:1.6}.oa .dot.ok{fill:#1f7a4d;stroke:none}.oa .dot.exc{fill:#e09a12;stroke:#8a5a00}.oa .dot.bad{fill:#c0281c;stroke:#fff}.oa .dot.mis{fill:#fff;stroke:#c0281c;stroke-width:2.2}
.oa .go{stroke:#1f7a4d;stroke-width:2;fill:none}.oa .go.exc{stroke:#a86d00}.oa .go.bad{stroke:#c0281c;stroke-width:2.6}.oa .go.mis{stroke:#c0281c;stroke-dasharray:3 4}.oa .go.thin{stroke-width:1.4}
.oa .halo{stroke:#f4f9f6;stroke-width:6;fill:none}.oa .halo.out{stroke:#fff}
.oa .head{stroke:none;fill:#1f7a4d}.oa .head.exc{fill:#a86d00}.oa .head.bad,.oa .head.mis{fill:#c0281c}
.oa .try{stroke:#cf6a60;stroke-width:1.3;stroke-dasharray:5 4;fill:none}.oa .cross{stroke:#c0281c;stroke-width:2.4;fill:none;stroke-linecap:round}
.oa .crossed{fill:#fff;stroke:#c0281c;stroke-width:1.2}
.oa .intruder{fill:#fdeeec;stroke:#c0281c;stroke-width:1.6}.oa .gap{fill:#fdeeec;stroke:#c0281c;stroke-width:1.6}.oa .slot{fill:#fff;stroke:#1f7a4d;stroke-width:1.6}.oa .slot.exc{fill:#ffedc7;stroke:#a86d00}.oa .slot.bad{fill:#fbdcd9;stroke:#c0281c}
.oa .mark{fill:#c0281c}.oa text.onmark{fill:#fff;font-size:10.5px;font-weight:700}
.oa text.badt{fill:#a81f14}.oa text.okt{fill:#17633d}.oa text.exct{fill:#7a4f00}
.oa .pill.ok{fill:#17633d}.oa .pill.bad{fill:#b3241a}.oa .pill.exc{fill:#7a4f00}
@media (prefers-color-scheme:dark){
.oa text{fill:#e3ede7}.oa .bg{fill:#0f1613}.oa .s{fill:#a3b6ab}.oa .zone{fill:#93a89c}
.oa .box{fill:#141f1a;stroke:#4fb885}.oa .border{fill:#3f9c6f}.oa .inner{fill:#182720;stroke:#34493f}
.oa .card{fill:#1d2a24;stroke:#5f776b}.oa .key{fill:#173b2a;stroke:#4cc38a}.oa .store{fill:#2a2618;stroke:#8c7c4a}
.oa .lane{stroke:#2b3a33}.oa .wire{stroke:#4c7560}
.oa .chip{fill:#24322b;stroke:#42564c}.oa .chip.ok{fill:#174630;stroke:#4cc38a}.oa .chip.exc{fill:#4a3507;stroke:#f0b429}.oa .chip.bad{fill:#561d19;stroke:#ff7b72}.oa .chip.mis{fill:#1d2a24;stroke:#ff7b72}
.oa .dot.ok{fill:#4cc38a}.oa .dot.exc{fill:#f0b429;stroke:#ffe2a1}.oa .dot.bad{fill:#ff7b72;stroke:#0f1613}.oa .dot.mis{fill:#0f1613;stroke:#ff7b72}
.oa .go{stroke:#4cc38a}.oa .go.exc{stroke:#f0b429}.oa .go.bad,.oa .go.mis{stroke:#ff7b72}
.oa .halo{stroke:#141f1a}.oa .halo.out{stroke:#0f1613}
.oa .head{fill:#4cc38a}.oa .head.exc{fill:#f0b429}.oa .head.bad,.oa .head.mis{fill:#ff7b72}
.oa .try{stroke:#b8615a}.oa .cross{stroke:#ff7b72}.oa .crossed{fill:#0f1613;stroke:#ff7b72}
.oa .intruder,.oa .gap{fill:#3a1a18;stroke:#ff7b72}.oa .slot{fill:#0f1613;stroke:#4cc38a}.oa .slot.exc{fill:#4a3507;stroke:#f0b429}.oa .slot.bad{fill:#561d19;stroke:#ff7b72}
.oa .mark{fill:#ff7b72}.oa text.onmark{fill:#2a0806}
.oa text.badt{fill:#ff9c95}.oa text.okt{fill:#6fd6a4}.oa text.exct{fill:#f3c35c}
.oa .pill.ok{fill:#1f7a4d}.oa .pill.bad{fill:#b3332a}.oa .pill.exc{fill:#86600d}
}
@media print{.oa text{fill:#000}}
`

var (
	sans   = font{size: 13}
	strong = font{size: 13, bold: true}
	small  = font{size: 11.5}
	tiny   = font{size: 10.5}
	mono   = font{size: 11, mono: true}
)
