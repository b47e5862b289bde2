// The circuit in front of Redis, walked along the table in its file. Time is passed in; nothing waits.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createCircuit } from '../../src/adapters/redis/circuit.ts'

describe('the circuit', () => {
  test('well: everybody is admitted, if there is a connection', () => {
    const circuit = createCircuit()
    assert.ok(circuit.well)
    assert.ok(circuit.admit(0, true, 1))
    assert.ok(circuit.admit(0, true, 1))
    assert.ok(!circuit.admit(0, false, 1))
    assert.equal(circuit.succeeded(), undefined)
  })

  test('well → resting: the first failure begins an episode, later ones belong to it', () => {
    const circuit = createCircuit()
    assert.equal(circuit.failed(0, 'get', 10), true)
    assert.equal(circuit.failed(1, 'get', 10), false)
    assert.ok(!circuit.well)
    assert.ok(!circuit.admit(999, true, 5))
  })

  test('resting → trying: after a second exactly one caller tries, and only over a connection', () => {
    const circuit = createCircuit()
    circuit.failed(0, 'get', 1)
    assert.ok(!circuit.admit(1_000, false, 1))
    assert.ok(circuit.admit(1_000, true, 1))
    assert.ok(!circuit.admit(1_000, true, 1))
    assert.ok(!circuit.admit(60_000, true, 1))
  })

  test('trying → well: the success ends the episode and tells what it cost', () => {
    const circuit = createCircuit()
    circuit.failed(0, 'get', 10)
    circuit.admit(500, true, 5)
    circuit.admit(1_000, true, 7)
    assert.deepEqual(circuit.succeeded(), { operation: 'get', started: 0, skipped: 15 })
    assert.ok(circuit.well)
    assert.ok(circuit.admit(1_001, true, 1))
  })

  test('trying → resting: each time twice as long, up to ten seconds; after a recovery a second again', () => {
    const circuit = createCircuit()
    let now = 0
    circuit.failed(now, 'get', 1)
    for (const rest_ms of [1_000, 2_000, 4_000, 8_000, 10_000, 10_000]) {
      assert.ok(!circuit.admit(now + rest_ms - 1, true, 1), `resting for ${rest_ms} ms`)
      now += rest_ms
      assert.ok(circuit.admit(now, true, 1))
      circuit.failed(now, 'get', 1)
    }
    circuit.admit(now + 10_000, true, 1)
    circuit.succeeded()
    circuit.failed(now, 'get', 1)
    assert.ok(circuit.admit(now + 1_000, true, 1))
  })

  test('a late success while resting changes nothing', () => {
    const circuit = createCircuit()
    circuit.failed(0, 'get', 1)
    assert.equal(circuit.succeeded(), undefined)
    assert.ok(!circuit.well)
  })

  test('the connection is back: ends an episode that began with its loss, and no other', () => {
    const lost = createCircuit()
    lost.failed(0, 'connect', 0)
    assert.equal(lost.connected()?.operation, 'connect')
    assert.ok(lost.well)
    const hung = createCircuit()
    hung.failed(0, 'get', 1)
    assert.equal(hung.connected(), undefined)
    assert.ok(!hung.well)
  })
})
