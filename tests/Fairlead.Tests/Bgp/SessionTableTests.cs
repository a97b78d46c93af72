using Fairlead.Bgp.Session;

namespace Fairlead.Tests.Bgp;

/// <summary>RFC 4271 §8.2.2, every state and every event.</summary>
public class SessionTableTests
{
    // A row for each event, a column for each state from Idle to Established: the next state by its first letter
    // (I, C connect, A active, S open-sent, O open-confirm, E) and what is done: n notify, d drop, x down, D dial,
    // r retry timer, i idle hold, o OPEN, l long hold, k KEEPALIVE, h hold, t keepalive timer, u up, p process,
    // f refresh.
    private const string Table = """
        Start            CDr   C      A      S       O       E
        StartPassive     A     C      A      S       O       E
        Stop             I     Id     Id     Ind     Ind     Indx
        RetryExpires     I     CdDr   CDr    Indi    Indi    Indxi
        HoldExpires      I     Idi    Idi    Indi    Indi    Indxi
        KeepaliveExpires I     Idi    Idi    Indi    Okt     Ekt
        TcpConnected     I     Sol    Sol    Indi    Indi    Indxi
        TcpFails         I     Adr    Idi    Adr     Idi     Idxi
        Open             I     Idi    Idi    Okht    Indi    Indxi
        HeaderError      I     Idi    Idi    Indi    Indi    Indxi
        OpenError        I     Idi    Idi    Indi    Indi    Indxi
        CollisionDump    I     Id     Id     Ind     Ind     Indx
        Notification     I     Idi    Idi    Idi     Idi     Idxi
        Keepalive        I     Idi    Idi    Indi    Ehu     Eh
        Update           I     Idi    Idi    Indi    Indi    Ehp
        UpdateError      I     Idi    Idi    Indi    Indi    Indxi
        SendHoldExpires  I     Idi    Idi    Indi    Indi    Indxi
        RouteRefresh     I     Idi    Idi    Indi    Indi    Ehf
        BfdDown          I     Idi    Idi    Indi    Indi    Indxi
        TooManyPrefixes  I     Idi    Idi    Indi    Indi    Indxi
        """;

    [Fact]
    public void The_state_machine_is_the_one_of_the_rfc()
    {
        var seen = new List<SessionEvent>();
        foreach (string row in Table.Split('\n'))
        {
            string[] cells = row.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            SessionEvent @event = Enum.Parse<SessionEvent>(cells[0]);
            seen.Add(@event);
            foreach (SessionState state in Enum.GetValues<SessionState>())
            {
                (SessionState next, SessionActions actions) = SessionTable.Next(state, @event);
                string cell = cells[1 + (int)state];
                Assert.True(
                    cell[0] == Letter(next)
                        && new string([.. cell[1..].Order()]) == Letters(actions),
                    $"{state} + {@event}: wanted {cell}, got {Letter(next)}{Letters(actions)}");
            }
        }

        Assert.Equal(Enum.GetValues<SessionEvent>(), seen);
    }

    [Fact]
    public void Whatever_happens_a_session_that_is_left_is_said_to_be_down() => Property.Holds(2_000, random =>
    {
        SessionState state = SessionState.Idle;
        int up = 0, down = 0;
        for (int i = 0; i < 200; i++)
        {
            (state, SessionActions actions) = SessionTable.Next(state, (SessionEvent)random.Next(20));
            up += (actions & SessionActions.Up) != 0 ? 1 : 0;
            down += (actions & SessionActions.Down) != 0 ? 1 : 0;
            Assert.Equal(state == SessionState.Established ? 1 : 0, up - down);
        }
    });

    private static char Letter(SessionState state) => "ICASOE"[(int)state];

    private static string Letters(SessionActions actions)
    {
        var letters = new (SessionActions Action, char Letter)[]
        {
            (SessionActions.Notify, 'n'), (SessionActions.Drop, 'd'), (SessionActions.Down, 'x'),
            (SessionActions.Dial, 'D'), (SessionActions.Retry, 'r'), (SessionActions.IdleHold, 'i'),
            (SessionActions.SendOpen, 'o'), (SessionActions.HoldLong, 'l'), (SessionActions.SendKeepalive, 'k'),
            (SessionActions.Hold, 'h'), (SessionActions.KeepaliveTimer, 't'), (SessionActions.Up, 'u'),
            (SessionActions.Process, 'p'), (SessionActions.Refresh, 'f'),
        };
        return new string([.. letters.Where(l => (actions & l.Action) != 0).Select(l => l.Letter).Order()]);
    }
}
