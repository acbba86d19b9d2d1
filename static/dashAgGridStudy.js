// Renderers of the study's table. A cell is a list of pieces, each text with its attributes (data-source and so on).
window.dashAgGridComponentFunctions = Object.assign(window.dashAgGridComponentFunctions || {}, {
  SourcedCell: function (props) {
    const pieces = (props.data && props.data[props.colDef.field + '_pieces']) || [];
    return React.createElement('span', null, ...pieces.map(function (piece, place) {
      return React.createElement('span', Object.assign({ key: place }, piece.attributes), piece.text);
    }));
  },
});

// Missing values sort last in both directions; text sorts as text.
window.dashAgGridFunctions = Object.assign(window.dashAgGridFunctions || {}, {
  missingLast: function (a, b, isDescending) {
    const noA = a === null || a === undefined || a === '', noB = b === null || b === undefined || b === '';
    if (noA || noB) return noA && noB ? 0 : (noA ? 1 : -1) * (isDescending ? -1 : 1);
    return typeof a === 'number' ? a - b : String(a).localeCompare(String(b));
  },
  // What a filter compares: the raw value in the unit that a person types.
  inUnit: function (value, factor) {
    return value === null || value === undefined ? null : value * factor;
  },
});
