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
  const scores = pathScores(graph, logits(graph, vectors, head, tree.levels), tree, temperatures)
  const said = [
    logOf(graph, lexical),
    logOf(graph, graph.op('Softmax', [scores], { axis: 1 })),
    votes(graph, neighbours(graph, vectors, memory), tree, vote),
  ]
  graph.output('probabilities', mixtureOf(graph, said, weights), ['B', tree.paths])
  return graph.spec()
}

/** Adds ln of probabilities [B, paths], bounded below like `logs`. */
export function logOf(graph: GraphBuilder, probabilities: string): string {
  return graph.op('Log', [graph.op('Max', [probabilities, graph.scalar(LEAST)])])
}

/** Adds the mixture of experts given by their logarithms, [B, paths] each: what `mixed` computes. */
export function mixtureOf(graph: GraphBuilder, said: readonly string[], weights: readonly number[]): string {
  const weighed = said.map((name, expert) => graph.op('Mul', [name, graph.scalar(weights[expert]!)]))
  return graph.op('Softmax', [graph.op('Sum', weighed)], { axis: 1 })
}
