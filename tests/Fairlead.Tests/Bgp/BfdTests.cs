using System.Net;
using Fairlead.Bgp.Bfd;

namespace Fairlead.Tests.Bgp;

public class BfdTests
{
    private static readonly BfdTarget Target = new(
        "peer", IPAddress.Parse("10.9.0.2"), null, new BfdOptions { Interval = Ms(50), Multiplier = 3 });

    [Theory]
    [InlineData("down", BfdState.Down, 1000, false, false)]
    [InlineData("init", BfdState.Init, 1000, false, false)]
    [InlineData("up-poll", BfdState.Up, 50, true, false)]
    [InlineData("up-final", BfdState.Up, 50, false, true)]
    [InlineData("up", BfdState.Up, 50, false, false)]
    public void The_packets_of_bird_read_as_sent_and_write_back_the_same(
        string name, BfdState state, int minTxMs, bool poll, bool final)
    {
        byte[] wire = Fixture.Hex($"bfd/{name}.hex");
        Assert.Equal(BfdReject.None, BfdPacket.TryParse(wire, out BfdPacket packet));
        Assert.Equal((state, Ms(minTxMs), Ms(50)), (packet.State, packet.DesiredMinTx, packet.RequiredMinRx));
        Assert.Equal((poll, final, (byte)3), (packet.Poll, packet.Final, packet.Multiplier));

        byte[] written = new byte[BfdPacket.Size];
        packet.Write(written);
        Assert.Equal(wire, written);
    }

    [Fact]
    public void A_packet_reads_back_as_it_was_written() => Property.Holds(5_000, random =>
    {
        var sent = new BfdPacket(
            (BfdState)random.Next(4), (BfdDiagnostic)random.Next(9), (byte)random.Next(1, 256),
            (uint)random.NextInt64(1, uint.MaxValue), (uint)random.NextInt64(1, uint.MaxValue),
            TimeSpan.FromMicroseconds(random.NextInt64(uint.MaxValue)),
            TimeSpan.FromMicroseconds(random.NextInt64(uint.MaxValue)))
        { Poll = random.Next(2) == 0, Final = random.Next(2) == 0, Demand = random.Next(2) == 0 };
        byte[] wire = new byte[BfdPacket.Size];
        sent.Write(wire);

        Assert.Equal(BfdReject.None, BfdPacket.TryParse(wire, out BfdPacket read));
        Assert.Equal(sent, read);
    });

    [Fact]
    public void Damaged_packets_are_refused_and_never_throw() => Property.Holds(5_000, random =>
    {
        byte[] wire = Fixture.Hex("bfd/up.hex");
        random.NextBytes(wire.AsSpan(random.Next(wire.Length)));
        _ = BfdPacket.TryParse(wire.AsSpan(0, random.Next(wire.Length + 1)), out _);
    });

    [Theory]
    [InlineData(0, 0x40, BfdReject.Version)]
    [InlineData(3, 23, BfdReject.Length)]
    [InlineData(3, 25, BfdReject.Length)]
    [InlineData(2, 0, BfdReject.Multiplier)]
    [InlineData(1, 0xc1, BfdReject.Multipoint)]
    [InlineData(1, 0xc4, BfdReject.Auth)]
    public void A_packet_that_breaks_a_rule_is_refused_for_it(int at, byte value, BfdReject expected)
    {
        byte[] wire = Fixture.Hex("bfd/up.hex");
        wire[at] = value;
        Assert.Equal(expected, BfdPacket.TryParse(wire, out _));
    }

    [Fact]
    public void Discriminators_are_checked()
    {
        byte[] wire = Fixture.Hex("bfd/up.hex");
        wire.AsSpan(8, 4).Clear(); // Up without knowing our discriminator.
        Assert.Equal(BfdReject.Discriminator, BfdPacket.TryParse(wire, out _));
        wire = Fixture.Hex("bfd/down.hex");
        Assert.Equal(BfdReject.None, BfdPacket.TryParse(wire, out _));
        wire.AsSpan(4, 4).Clear();
        Assert.Equal(BfdReject.Discriminator, BfdPacket.TryParse(wire, out _));
    }

    [Fact]
    public void The_state_machine_is_the_one_of_the_rfc()
    {
        // Rows: our state; columns: the peer's AdminDown, Down, Init, Up; then what the detection time does.
        string[] table =
        [
            "AdminDown AdminDown AdminDown AdminDown AdminDown AdminDown",
            "Down      Down      Init      Up        Down      Down",
            "Init      Down      Init      Up        Up        Down",
            "Up        Down      Down      Up        Up        Down",
        ];
        foreach (string row in table)
        {
            BfdState[] cells = [.. row.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(Enum.Parse<BfdState>)];
            foreach (BfdState remote in Enum.GetValues<BfdState>())
                Assert.Equal(cells[1 + (int)remote], BfdTable.Next(cells[0], remote));
            Assert.Equal(cells[5], BfdTable.Expire(cells[0]));
        }
    }

    [Fact]
    public void Two_sessions_come_up_poll_and_send_at_the_agreed_interval()
    {
        var pair = new Pair(Target, Target with { Options = new BfdOptions { Interval = Ms(80), Multiplier = 5 } });
        pair.Run(TimeSpan.FromSeconds(3));

        Assert.Equal((BfdState.Up, BfdState.Up), (pair.A.State, pair.B.State));
        // The slower of what one sends and the other takes, and the other's multiplier.
        Assert.Equal((Ms(80), Ms(80)), (pair.A.TransmitInterval, pair.B.TransmitInterval));
        Assert.Equal((Ms(400), Ms(240)), (pair.A.DetectionTime, pair.B.DetectionTime));
        pair.SentByA.Clear();
        pair.Run(TimeSpan.FromSeconds(2));
        Assert.All(pair.SentByA.Zip(pair.SentByA.Skip(1), (a, b) => b - a), gap => Assert.InRange(gap, Ms(60), Ms(81)));
    }

    [Fact]
    public void Before_it_is_up_a_session_sends_about_once_a_second()
    {
        var pair = new Pair(Target, Target) { Cut = true };
        pair.Run(TimeSpan.FromSeconds(10));
        Assert.InRange(pair.SentByA.Count, 10, 14);
    }

    [Fact]
    public void Silence_is_noticed_after_the_detection_time_and_not_before()
    {
        var pair = new Pair(Target, Target);
        pair.Run(TimeSpan.FromSeconds(3));
        pair.Cut = true;
        pair.Run(Ms(149 - 51)); // The last packet may be one interval old.
        Assert.Equal(BfdState.Up, pair.A.State);
        pair.Run(Ms(54));
        Assert.Equal((BfdState.Down, BfdDiagnostic.DetectionTimeExpired), (pair.A.State, pair.A.Diagnostic));

        pair.Cut = false;
        pair.Run(TimeSpan.FromSeconds(3));
        Assert.Equal((BfdState.Up, BfdState.Up), (pair.A.State, pair.B.State));
    }

    [Fact]
    public void A_peer_taken_out_of_service_is_seen_as_such()
    {
        var pair = new Pair(Target, Target);
        pair.Run(TimeSpan.FromSeconds(3));
        pair.B.Disable();
        pair.Run(Ms(60));
        Assert.Equal((BfdState.Down, BfdState.AdminDown), (pair.A.State, pair.A.Remote));
        Assert.Equal(BfdDiagnostic.NeighborSignaledDown, pair.A.Diagnostic);
    }

    [Fact]
    public void Timers_change_by_a_poll_sequence_without_a_flap()
    {
        var pair = new Pair(Target, Target);
        pair.Run(TimeSpan.FromSeconds(3));
        pair.A.Change(Target with { Options = new BfdOptions { Interval = Ms(200), Multiplier = 3 } }, pair.Now);
        // RFC 5880 §6.8.3: until the poll is answered we send as fast as was agreed.
        Assert.Equal(Ms(50), pair.A.TransmitInterval);
        pair.Run(TimeSpan.FromSeconds(2));
        Assert.Equal(Ms(200), pair.A.TransmitInterval);
        Assert.Equal(Ms(600), pair.B.DetectionTime);
        pair.A.Change(Target, pair.Now);
        pair.Run(TimeSpan.FromSeconds(2));
        Assert.Equal((Ms(50), Ms(150)), (pair.A.TransmitInterval, pair.B.DetectionTime));
        Assert.Equal(0, pair.Flaps);
    }

    [Fact]
    public void A_session_goes_on_in_another_engine_and_its_peer_notices_nothing()
    {
        var pair = new Pair(Target, Target);
        pair.Run(TimeSpan.FromSeconds(3));
        BfdStanding standing = pair.A.Standing!;
        pair.Cut = true;
        pair.Run(Ms(90));
        pair.Cut = false;
        pair.A = new BfdSession(Target with { Standing = standing }, standing.Mine, new Random(3), pair.Now);
        pair.Run(TimeSpan.FromSeconds(3));

        Assert.Equal((BfdState.Up, BfdState.Up, 0), (pair.A.State, pair.B.State, pair.Flaps));
        Assert.Equal(Ms(150), pair.A.DetectionTime);
    }

    [Fact]
    public void A_session_that_its_peer_gave_up_meanwhile_comes_up_anew()
    {
        var pair = new Pair(Target, Target);
        pair.Run(TimeSpan.FromSeconds(3));
        BfdStanding standing = pair.A.Standing!;
        pair.Cut = true;
        pair.Run(Ms(500));
        pair.Cut = false;
        pair.A = new BfdSession(Target with { Standing = standing }, standing.Mine, new Random(3), pair.Now);
        pair.Run(Ms(1));
        Assert.Equal(BfdState.Down, pair.B.State);
        pair.Run(TimeSpan.FromSeconds(5));

        Assert.Equal((BfdState.Up, BfdState.Up), (pair.A.State, pair.B.State));
    }

    [Fact]
    public void A_held_session_is_told_once_and_the_peer_has_a_while_to_see_it_down()
    {
        var pair = new Pair(Target, Target);
        pair.Run(TimeSpan.FromSeconds(3));
        int sent = pair.SentByA.Count;
        Assert.True(pair.A.Hold(pair.Now));
        pair.Run(Ms(1));
        Assert.Equal((BfdState.Down, BfdState.Down), (pair.A.State, pair.B.State));

        // What the peer polls for is not answered: an answer would say Down again, and take it to Init.
        var poll = new BfdPacket(BfdState.Down, 0, 3, pair.B.Discriminator, pair.A.Discriminator, Ms(1000), Ms(50))
        {
            Poll = true,
        };
        Assert.False(pair.A.Take(poll, pair.Now));
        pair.Run(Ms(700));
        Assert.Equal((BfdState.Down, sent + 1), (pair.B.State, pair.SentByA.Count));
        pair.Run(TimeSpan.FromSeconds(5));
        Assert.Equal(BfdState.Down, pair.A.State);

        pair.A.Release();
        pair.Run(TimeSpan.FromSeconds(5));
        Assert.Equal((BfdState.Up, BfdState.Up), (pair.A.State, pair.B.State));
    }

    [Fact]
    public void A_peer_that_takes_no_packets_gets_none()
    {
        var pair = new Pair(Target, Target);
        pair.Run(TimeSpan.FromSeconds(3));
        var wish = new BfdPacket(BfdState.Up, 0, 3, pair.B.Discriminator, pair.A.Discriminator, Ms(50), Ms(0));
        _ = pair.A.Take(wish, pair.Now);
        Assert.Equal(BfdSession.Never, pair.A.TransmitInterval);
        Assert.Equal(BfdSession.Never, pair.A.SendAt);
    }

    private static TimeSpan Ms(double milliseconds) => TimeSpan.FromMilliseconds(milliseconds);

    /// <summary>
    /// Two sessions whose packets reach each other within the millisecond, on a clock of one millisecond.
    /// </summary>
    private sealed class Pair(BfdTarget a, BfdTarget b)
    {
        public BfdSession A { get; set; } = new(a, 1, new Random(1), TimeSpan.Zero);

        public BfdSession B { get; } = new(b, 2, new Random(2), TimeSpan.Zero);

        public TimeSpan Now { get; private set; }

        public bool Cut { get; set; }

        public int Flaps { get; private set; }

        public List<TimeSpan> SentByA { get; } = [];

        public void Run(TimeSpan time)
        {
            for (TimeSpan end = Now + time; Now < end; Now += Ms(1))
            {
                if (A.SendAt <= Now)
                {
                    SentByA.Add(Now);
                    Pass(A, B);
                }

                if (B.SendAt <= Now) Pass(B, A);
                if (A.Expire(Now) || B.Expire(Now)) Flaps++;
            }
        }

        private void Pass(BfdSession from, BfdSession to)
        {
            BfdPacket packet = from.Periodic(Now);
            if (Cut) return;
            if (to.Take(packet, Now)) _ = from.Take(to.FinalAnswer(), Now);
        }
    }
}
