// The graph that joins what the lexical model, the head and the neighbours say into one distribution over paths.
import { logits, pathScores } from '../encoder/head.ts'
import { GraphBuilder } from '../graph-builder.ts'
import { LEAST } from './mix.ts'
import { neighbours, votes } from './neighbours.ts'
import type { Tree } from '../../core/lexical/tree.ts'
import type { GraphSpec } from '../../ports/graph.ts'
import type { HeadWeights } from '../encoder/head.ts'
import type { Memory, Vote } from './neighbours.ts'

export interface StackParts {
  readonly tree: Tree
  readonly head: HeadWeights
  readonly temperatures: readonly number[]
  readonly memory: Memory
  readonly vote: Vote
  /** Of the lexical model, the head and the vote. */
  readonly weights: readonly number[]
}

/**
 * Inputs: lexical [B, paths], the lexical model's probabilities; vectors [B, dims]. Output: probabilities [B, paths].
 */
export function stackGraph({ tree, head, temperatures, memory, vote, weights }: StackParts): GraphSpec {
  const graph = new GraphBuilder('stack')
  const lexical = graph.input('lexical', ['B', tree.paths])
  const vectors = graph.input('vectors', ['B', memory.dims])
  const log = (probabilities: string) => graph.op('Log', [graph.op('Max', [probabilities, graph.scalar(LEAST)])])
  const scores = pathScores(graph, logits(graph, vectors, head, tree.levels), tree, temperatures)
  const said = [
    log(lexical),
    log(graph.op('Softmax', [scores], { axis: 1 })),
    votes(graph, neighbours(graph, vectors, memory), tree, vote),
  ]
  const weighed = said.map((name, expert) => graph.op('Mul', [name, graph.scalar(weights[expert]!)]))
  graph.output('probabilities', graph.op('Softmax', [graph.op('Sum', weighed)], { axis: 1 }), ['B', tree.paths])
  return graph.spec()
}
