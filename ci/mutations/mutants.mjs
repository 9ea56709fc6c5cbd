// Every small slip that would be possible in a TypeScript file.

import '../setup.mjs'

// Not before it is installed.
const { default: ts } = await import('typescript')
const { SyntaxKind: Kind } = ts

/** What an operator may be mistaken for. */
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

/** All of them: a name that survives changes elsewhere in the file, and what the file becomes. */
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
    // The same slip in the same words, elsewhere.
    const count = (names.get(described) ?? 0) + 1
    names.set(described, count)
    const name = count === 1 ? described : `${described} (${count})`
    found.push({ name, text: source.slice(0, start) + to + source.slice(end) })
  }
  const visit = (node) => {
    if (ts.isTypeNode(node) || ts.isInterfaceDeclaration(node) || ts.isImportDeclaration(node)) return
    if (ts.isTypeAliasDeclaration(node)) return
    for (const [part, to] of slips(node)) change(part, to)
    ts.forEachChild(node, visit)
  }
  visit(tree)
  return found
}

/** What may be wrong about a piece of code: which part of it, and what that would become. */
function* slips(node) {
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
