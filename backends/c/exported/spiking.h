/* What a spiking network does, in integers of C99: no floating point, no allocation, no library.
 *
 * Events are spikes (0 or 1, and -1 of signed units), or by how much a level changed. Maps are
 * driven by events: what does not fire costs one comparison. Sums are 32-bit; the compiler has
 * proven that none of them overflows for any input in range.
 *
 * Compiled with SP_PLAIN, the same functions are those of an ordinary network of integers: every
 * product is computed, and levels are looked up from scratch. That is what costs are compared with.
 */
#ifndef SPIKING_H
#define SPIKING_H

#include <stdint.h>

typedef int16_t sp_event;

/* Called for every population in every step; NULL where nobody watches. */
typedef void (*sp_observer)(int step, int population, const sp_event *events, int units);

void sp_zero(int32_t *sums, int count);
void sp_set(int32_t *sums, const int32_t *values, int count);
void sp_add(int32_t *total, const int32_t *a, const int32_t *b, int count);
void sp_collect(int64_t *total, const int32_t *sums, int count);

/* sums += (weights << shift) x, for weights of 8, 16 or 32 bits.
 *
 * dense: weights[input][row].            blocks: weights[neuron][column][row], block-diagonal.
 * ..._events: x are events.              ..._values: x are sums of other maps, or inputs.
 */
#define SP_DECLARE(bits)                                                                          \
    void sp_dense_events_##bits(int32_t *sums, int rows, const int##bits##_t *weights, int shift, \
                                const sp_event *x, int inputs);                                   \
    void sp_dense_values_##bits(int32_t *sums, int rows, const int##bits##_t *weights, int shift, \
                                const int32_t *x, int inputs);                                    \
    void sp_blocks_events_##bits(int32_t *sums, int rows, const int##bits##_t *weights,           \
                                 int shift, const sp_event *x, int neurons, int columns);         \
    void sp_blocks_values_##bits(int32_t *sums, int rows, const int##bits##_t *weights,           \
                                 int shift, const int32_t *x, int neurons, int columns);
SP_DECLARE(8)
SP_DECLARE(16)
SP_DECLARE(32)
#undef SP_DECLARE

/* How values differ from those of the last call. */
void sp_changes(int32_t *changes, int32_t *last, const int32_t *values, int count);

/* Memoryless units: fire at or above the threshold. */
void sp_threshold(sp_event *events, const int32_t *sums, const int32_t *threshold, int units);

/* Integrate and fire with reset by subtraction. Signed units also fire -1, at or below minus the
 * threshold; centred ones at or below 0. */
enum sp_sign { SP_UNSIGNED, SP_SIGNED, SP_CENTRED };
void sp_integrate(sp_event *events, int32_t *potential, const int32_t *sums,
                  const int32_t *threshold, int units, enum sp_sign sign);

/* Levels of streamed neurons: events are what a level changed by.
 *
 * The boundaries of neuron i are boundaries[first[i]] to boundaries[first[i + 1] - 1], and ascend;
 * passing one upwards changes the level by its direction, by 1 where directions is NULL. State:
 * interval, between which boundaries a sum lies; position, the level there; level, what was sent. */
void sp_levels(sp_event *events, int16_t *interval, int16_t *position, int16_t *level,
               const int32_t *sums, const int32_t *boundaries, const int32_t *first,
               const int8_t *directions, int neurons);

#endif
