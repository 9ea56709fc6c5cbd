// Every small change that can be made to a TypeScript file.

import '../setup.mjs'

// Imported late, because setup.mjs may have to install it.
const { default: ts } = await import('typescript')
const { SyntaxKind: Kind } = ts

/** Operators and their replacements. */
const OPERATORS = {
  [Kind.LessThanToken]: '<=',
  [Kind.LessThanEqualsToken]: '<',
  [Kind.GreaterThanToken]: '>=',
  [Kind.GreaterThanEqualsToken]: '>',
  [Kind.EqualsEqualsEqualsToken]: '!==',
  [Kind.ExclamationEqualsEqualsToken]: '===',
  [Kind.AmpersandAmpersandToken]: '||',
  [Kind.BarBarToken]: '&&',
  [Kind.PlusToken]: '-',
  [Kind.MinusToken]: '+',
  [Kind.AsteriskToken]: '/',
  [Kind.AmpersandToken]: '|',
  [Kind.BarToken]: '&',
  [Kind.LessThanLessThanToken]: '>>',
  [Kind.GreaterThanGreaterThanGreaterThanToken]: '<<',
  [Kind.PlusEqualsToken]: '-=',
  [Kind.MinusEqualsToken]: '+=',
  [Kind.QuestionQuestionEqualsToken]: '=',
}

/** All mutants of a file: a name that is stable under changes elsewhere in the file, and the new
 * text. */
export function mutantsOf(file, source) {
  const tree = ts.createSourceFile(file, source, ts.ScriptTarget.Latest, true)
  const found = []
  const names = new Map()
  const change = (node, to) => {
    const [start, end] = [node.getStart(tree), node.getEnd()]
    const { line } = tree.getLineAndCharacterOfPosition(start)
    const from = source.slice(start, end)
    const shown = (text) => text.replaceAll(/\s+/g, ' ')
    const described = `${file}: \`${shown(source.split('\n')[line]).trim()}\`: \`${shown(from)}\` to \`${to}\``
    // The same change of an identical line elsewhere.
    const count = (names.get(described) ?? 0) + 1
    names.set(described, count)
    const name = count === 1 ? described : `${described} (${count})`
    found.push({ name, text: source.slice(0, start) + to + source.slice(end) })
  }
  const visit = (node) => {
    if (ts.isTypeNode(node) || ts.isInterfaceDeclaration(node) || ts.isImportDeclaration(node)) return
    if (ts.isTypeAliasDeclaration(node)) return
    for (const [part, to] of changes(node)) change(part, to)
    ts.forEachChild(node, visit)
  }
  visit(tree)
  return found
}

/** The changes of one node: the part to replace, and its replacement. */
function* changes(node) {
  if (ts.isBinaryExpression(node)) {
    const to = OPERATORS[node.operatorToken.kind]
    if (to !== undefined) yield [node.operatorToken, to]
  } else if (ts.isPrefixUnaryExpression(node) && node.operator === Kind.ExclamationToken) {
    yield [node, node.operand.getText()]
  } else if (ts.isNumericLiteral(node)) {
    yield [node, String(Number(node.text.replaceAll('_', '')) + 1)]
  } else if (node.kind === Kind.TrueKeyword || node.kind === Kind.FalseKeyword) {
    yield [node, node.kind === Kind.TrueKeyword ? 'false' : 'true']
  } else if (ts.isIfStatement(node)) {
    yield [node.expression, 'true']
    yield [node.expression, 'false']
  } else if (ts.isExpressionStatement(node)) {
    yield [node, ';']
  } else if (ts.isReturnStatement(node) && node.expression === undefined) {
    yield [node, ';']
  } else if (ts.isPostfixUnaryExpression(node)) {
    yield [node, node.operand.getText() + (node.operator === Kind.PlusPlusToken ? '--' : '++')]
  }
}
