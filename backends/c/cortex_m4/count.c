/* Counts the ticks of the board's timer that an inference takes, on average over the points.
 *
 * With SP_PLAIN the network forgets the last point before each: it is then an ordinary one. */
#include <stdio.h>

#include "points.h"

#define TIMER0 ((volatile uint32_t *)0x40000000u) /* CONTROL, VALUE, RELOAD */

int main(void)
{
    TIMER0[2] = 0xffffffffu;
    TIMER0[1] = 0xffffffffu;
    TIMER0[0] = 1;
    for (int c = 0; c < CORES; c++) {
        const struct sample_core *core = &sample_cores[c];
        const int32_t *input = points[c];
        int64_t output[MOST_OUTPUTS];
        core->reset();
        const uint32_t before = TIMER0[1];
        for (int i = 0; i < POINTS; i++, input += core->inputs) {
#ifdef SP_PLAIN
            core->reset();
#endif
            core->run(input, output, NULL);
        }
        printf("ticks %lu\n", (unsigned long)((before - TIMER0[1]) / (uint32_t)POINTS));
    }
    return 0;
}
