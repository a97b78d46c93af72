using Fairlead.Dns.Server;

namespace Fairlead.Tests.Dns;

public class PrecedenceTests
{
    [Fact]
    public void A_thread_that_leaves_half_of_its_core_may_go_first()
    {
        var precedence = default(Precedence);
        Assert.True(precedence.IsAllowed);
        Work(ref precedence, busyMicroseconds: 400, from: 0, milliseconds: 500);
        Assert.True(precedence.IsAllowed);
    }

    [Fact]
    public void Under_a_flood_it_takes_its_turn_and_goes_first_again_when_the_flood_is_over()
    {
        var precedence = default(Precedence);
        Work(ref precedence, busyMicroseconds: 900, from: 0, milliseconds: 50);
        Assert.False(precedence.IsAllowed);

        Work(ref precedence, busyMicroseconds: 100, from: 50, milliseconds: 50);
        Assert.True(precedence.IsAllowed);
    }

    // A batch each millisecond.
    private static void Work(ref Precedence precedence, int busyMicroseconds, int from, int milliseconds)
    {
        for (int i = from; i < from + milliseconds; i++)
            precedence.After(TimeSpan.FromMicroseconds(busyMicroseconds), TimeSpan.FromMilliseconds(i));
    }
}
