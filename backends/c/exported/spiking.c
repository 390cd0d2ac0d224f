#include "spiking.h"

#ifdef SP_PLAIN
#define SP_ACTIVE(x) 1
#else
#define SP_ACTIVE(x) ((x) != 0)
#endif

void sp_zero(int32_t *sums, int count)
{
    for (int i = 0; i < count; i++)
        sums[i] = 0;
}

void sp_set(int32_t *sums, const int32_t *values, int count)
{
    for (int i = 0; i < count; i++)
        sums[i] = values[i];
}

void sp_add(int32_t *total, const int32_t *a, const int32_t *b, int count)
{
    for (int i = 0; i < count; i++)
        total[i] = a[i] + b[i];
}

void sp_collect(int64_t *total, const int32_t *sums, int count)
{
    for (int i = 0; i < count; i++)
        total[i] += sums[i];
}

/* Maps of one width, driven by values of one type. */
#define SP_DRIVEN_BY(kind, type, bits)                                                            \
    void sp_dense_##kind##_##bits(int32_t *sums, int rows, const int##bits##_t *weights,          \
                                  int shift, const type *x, int inputs)                           \
    {                                                                                             \
        for (int i = 0; i < inputs; i++)                                                          \
            if (SP_ACTIVE(x[i]))                                                                  \
                column_##bits(sums, rows, weights + i * rows, shift, x[i]);                       \
    }                                                                                             \
    void sp_blocks_##kind##_##bits(int32_t *sums, int rows, const int##bits##_t *weights,         \
                                   int shift, const type *x, int neurons, int columns)            \
    {                                                                                             \
        for (int i = 0; i < neurons * columns; i++)                                               \
            if (SP_ACTIVE(x[i]))                                                                  \
                column_##bits(sums + i / columns * rows, rows, weights + i * rows, shift, x[i]);  \
    }

#define SP_DEFINE(bits)                                                                           \
    static void column_##bits(int32_t *sums, int rows, const int##bits##_t *weights, int shift,   \
                              int32_t times)                                                      \
    {                                                                                             \
        const int32_t scaled = times * ((int32_t)1 << shift);                                     \
        for (int row = 0; row < rows; row++)                                                      \
            sums[row] += weights[row] * scaled;                                                   \
    }                                                                                             \
    SP_DRIVEN_BY(events, sp_event, bits)                                                          \
    SP_DRIVEN_BY(values, int32_t, bits)
SP_DEFINE(8)
SP_DEFINE(16)
SP_DEFINE(32)

void sp_changes(int32_t *changes, int32_t *last, const int32_t *values, int count)
{
    for (int i = 0; i < count; i++) {
        changes[i] = values[i] - last[i];
        last[i] = values[i];
    }
}

void sp_threshold(sp_event *events, const int32_t *sums, const int32_t *threshold, int units)
{
    for (int i = 0; i < units; i++)
        events[i] = sums[i] >= threshold[i];
}

void sp_integrate(sp_event *events, int32_t *potential, const int32_t *sums,
                  const int32_t *threshold, int units, enum sp_sign sign)
{
    for (int i = 0; i < units; i++) {
        const int32_t v = potential[i] + sums[i];
        sp_event s = v >= threshold[i];
        if (sign != SP_UNSIGNED && v <= (sign == SP_CENTRED ? 0 : -threshold[i]))
            s = (sp_event)(s - 1);
        potential[i] = v - s * threshold[i];
        events[i] = s;
    }
}

#ifdef SP_PLAIN
/* How many of the boundaries lie at or below a sum. */
static int passed(const int32_t *ends, int count, int32_t sum)
{
    int low = 0;
    while (count > 0) {
        const int half = count / 2;
        if (sum >= ends[low + half]) {
            low += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return low;
}
#endif

void sp_levels(sp_event *events, int16_t *interval, int16_t *position, int16_t *level,
               const int32_t *sums, const int32_t *boundaries, const int32_t *first,
               const int8_t *directions, int neurons)
{
    for (int i = 0; i < neurons; i++) {
        const int32_t *ends = boundaries + first[i];
        const int8_t *ways = directions ? directions + first[i] : 0;
        const int count = first[i + 1] - first[i];
        int at = interval[i], now = position[i];
#ifdef SP_PLAIN
        if (!ways) {
            const int found = passed(ends, count, sums[i]);
            now += found - at;
            at = found;
        }
#endif
        for (; at < count && sums[i] >= ends[at]; at++)
            now += ways ? ways[at] : 1;
        for (; at > 0 && sums[i] < ends[at - 1]; at--)
            now -= ways ? ways[at - 1] : 1;
        events[i] = (sp_event)(now - level[i]);
        interval[i] = (int16_t)at;
        position[i] = level[i] = (int16_t)now;
    }
}
