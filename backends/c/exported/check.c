/* Runs the network on the points of samples.h and compares every event and every output.
 *
 * The program ends with 0 if all are equal.
 */
#include <stdio.h>

#include "samples.h"

static const sample_event *expected;
static long compared, differing;

static void compare(int step, int population, const sp_event *events, int units)
{
    (void)step;
    (void)population;
    for (int i = 0; i < units; i++)
        differing += events[i] != expected[i];
    expected += units;
    compared += units;
}

int main(void)
{
    long wrong = 0;
    for (int c = 0; c < CORES; c++) {
        const struct sample_core *core = &sample_cores[c];
        const int32_t *input = core->input;
        const int64_t *output = core->output;
        expected = core->events;
        core->reset();
        for (int i = 0; i < core->samples; i++) {
            int64_t found[MOST_OUTPUTS];
            core->run(input, found, compare);
            for (int j = 0; j < core->outputs; j++)
                wrong += found[j] != output[j];
            input += core->inputs;
            output += core->outputs;
        }
    }
    printf("%ld events compared, %ld differ; %ld outputs differ\n", compared, differing, wrong);
    return differing || wrong;
}
