using Fairlead.Bgp.Bfd;

namespace Fairlead.InteropTests.Bgp;

/// <summary>What RFC 5880, 5881 and 5883 ask of a session, seen from outside, on the wire.</summary>
public class BfdConformanceTests
{
    private static readonly BfdOptions Fast = new() { Interval = TimeSpan.FromMilliseconds(50), Multiplier = 3 };

    [InteropFact("ip")]
    public void Before_it_is_up_it_sends_slowly_from_one_port_of_its_own_and_asks_for_nothing_special()
    {
        using var bfd = new HandmadeBfd(Fast);
        BfdPacket first = bfd.Receive();
        int port = bfd.LastPort;
        Assert.Equal((BfdState.Down, 0u), (first.State, first.YourDiscriminator));
        Assert.NotEqual(0u, first.MyDiscriminator);
        Assert.Equal(255, bfd.LastHops); // RFC 5881 §5.
        Assert.InRange(port, 49152, 65535); // RFC 5881 §4.
        Assert.True(first is { Demand: false, Independent: false, Poll: false, Final: false });
        Assert.Equal(TimeSpan.FromSeconds(1), first.DesiredMinTx); // RFC 5880 §6.8.3.
        TimeSpan before = bfd.Clock.Elapsed;
        bfd.Receive();
        Assert.InRange((bfd.Clock.Elapsed - before).TotalMilliseconds, 700, 1100);
        Assert.Equal((first.MyDiscriminator, port), (bfd.Last.MyDiscriminator, bfd.LastPort));
    }

    [InteropFact("ip")]
    public void The_handshake_takes_three_packets_and_a_poll_agrees_on_the_fast_timers()
    {
        using var bfd = new HandmadeBfd(Fast);
        bfd.Receive();
        bfd.Send(bfd.Saying(BfdState.Down));
        // RFC 5880 §6.8.7: a change of state is told at once, with the discriminator that we now know.
        BfdPacket init = bfd.Receive(0.3);
        Assert.Equal((BfdState.Init, HandmadeBfd.Mine), (init.State, init.YourDiscriminator));
        bfd.Send(bfd.Saying(BfdState.Init));
        BfdPacket up = bfd.Receive(0.3);
        Assert.True(up is { State: BfdState.Up, Poll: true, Final: false });
        Assert.Equal(TimeSpan.FromMilliseconds(50), up.DesiredMinTx);
        bfd.Send(bfd.Saying(BfdState.Up) with { Final = true });
        bfd.ReceiveWhere(packet => !packet.Poll);

        // RFC 5880 §6.5: a poll is answered at once, by a packet that does not poll itself.
        while (bfd.TryReceive(0))
        {
        }

        bfd.Send(bfd.Saying(BfdState.Up) with { Poll = true });
        BfdPacket answer = bfd.ReceiveWhere(packet => packet.Final, 0.3);
        Assert.False(answer.Poll);
    }

    [InteropFact("ip")]
    public void It_sends_with_jitter_as_slowly_as_the_peer_wants_and_not_at_all_when_it_wants_none()
    {
        using var bfd = new HandmadeBfd(Fast);
        bfd.BringUp();
        bfd.Send(bfd.Saying(BfdState.Up) with { RequiredMinRx = TimeSpan.FromMilliseconds(200), Multiplier = 50 });
        bfd.Receive();
        bfd.Receive();
        List<double> gaps = [];
        for (int i = 0; i < 12; i++)
        {
            TimeSpan before = bfd.Clock.Elapsed;
            bfd.Receive();
            gaps.Add((bfd.Clock.Elapsed - before).TotalMilliseconds);
        }

        // RFC 5880 §6.8.7: 75 to 100 % of 200 ms; a busy machine may be late and is never early.
        Assert.All(gaps, gap => Assert.InRange(gap, 145, 300));
        Assert.True(gaps.Max() - gaps.Min() > 5, "the gaps differ");

        bfd.Send(bfd.Saying(BfdState.Up) with { RequiredMinRx = TimeSpan.Zero, Multiplier = 50 });
        while (bfd.TryReceive(0.1))
        {
        }

        Assert.False(bfd.TryReceive(1), "a packet for a peer that takes none");
        bfd.Send(bfd.Saying(BfdState.Up) with { Demand = true, Multiplier = 50 });
        _ = bfd.TryReceive(0.1);
        Assert.False(bfd.TryReceive(0.5), "a periodic packet for a peer in demand mode");
    }

    [InteropFact("ip")]
    public void Silence_is_noticed_in_time_and_not_before()
    {
        using var bfd = new HandmadeBfd(Fast);
        bfd.BringUp();
        bfd.Send(bfd.Saying(BfdState.Up) with { Multiplier = 10 }); // 500 ms.
        TimeSpan last = bfd.Clock.Elapsed;
        BfdPacket down = bfd.ReceiveWhere(packet => packet.State == BfdState.Down);
        Assert.InRange((bfd.Clock.Elapsed - last).TotalMilliseconds, 495, 700);
        Assert.Equal(BfdDiagnostic.DetectionTimeExpired, down.Diagnostic);
        Assert.Equal(0u, down.YourDiscriminator); // RFC 5880 §6.8.1: forgotten after a detection time.
        Assert.Equal(TimeSpan.FromSeconds(1), down.DesiredMinTx);
        Assert.Equal(BfdDiagnostic.DetectionTimeExpired, bfd.Changes.All[^1].Diagnostic);
    }

    [InteropFact("ip")]
    public void A_peer_that_goes_down_or_out_of_service_is_told_apart()
    {
        using var bfd = new HandmadeBfd(Fast);
        bfd.BringUp();
        bfd.Send(bfd.Saying(BfdState.Down));
        BfdPacket down = bfd.ReceiveWhere(packet => packet.State != BfdState.Up);
        Assert.Equal((BfdState.Down, BfdDiagnostic.NeighborSignaledDown), (down.State, down.Diagnostic));
        bfd.Send(bfd.Saying(BfdState.Down));
        bfd.ReceiveWhere(packet => packet.State == BfdState.Init);
        bfd.Send(bfd.Saying(BfdState.Init));
        bfd.ReceiveWhere(packet => packet.State == BfdState.Up);

        bfd.Send(bfd.Saying(BfdState.AdminDown));
        bfd.ReceiveWhere(packet => packet.State == BfdState.Down);
        BfdChange change = bfd.Changes.All[^1];
        Assert.Equal((BfdState.Down, BfdState.AdminDown), (change.State, change.Remote));
    }

    [InteropFact("ip")]
    public void What_breaks_a_rule_is_thrown_away_and_counted()
    {
        using var bfd = new HandmadeBfd(Fast);
        bfd.BringUp();
        // RFC 5880 §6.8.6, rule by rule: each would take the session down if it were believed.
        byte[] good = new byte[BfdPacket.Size];
        bfd.Saying(BfdState.Down).Write(good);
        (BfdReject Reject, Action<byte[]> Damage)[] rules =
        [
            (BfdReject.Version, wire => wire[0] = 0), (BfdReject.Length, wire => wire[3] = 23),
            (BfdReject.Length, wire => wire[3] = 25), (BfdReject.Multiplier, wire => wire[2] = 0),
            (BfdReject.Multipoint, wire => wire[1] |= 1), (BfdReject.Auth, wire => wire[1] |= 4),
            (BfdReject.Discriminator, wire => wire.AsSpan(4, 4).Clear()),
            (BfdReject.Discriminator, wire => (wire[1], wire[8], wire[9], wire[10], wire[11]) = (0xc0, 0, 0, 0, 0)),
            (BfdReject.NoSession, wire => wire[8] ^= 0xff),
        ];
        foreach ((BfdReject reject, Action<byte[]> damage) in rules)
        {
            long before = bfd.Engine.Rejected(reject);
            byte[] wire = [.. good];
            damage(wire);
            bfd.Send(wire);
            BirdRouter.Eventually(() => bfd.Engine.Rejected(reject) == before + 1, $"{reject} is counted");
            bfd.Send(bfd.Saying(BfdState.Up));
        }

        bfd.SendHops(254); // RFC 5881 §5: from behind a router.
        bfd.Send(good);
        BirdRouter.Eventually(() => bfd.Engine.Rejected(BfdReject.Hops) == 1, "the hops are counted");
        bfd.Send(good[..20]);
        BirdRouter.Eventually(() => bfd.Engine.Rejected(BfdReject.Short) == 1, "the short one is counted");
        Assert.DoesNotContain(bfd.Changes.All.SkipWhile(c => c.State != BfdState.Up), c => c.State == BfdState.Down
            && c.Diagnostic == BfdDiagnostic.NeighborSignaledDown);
    }

    [InteropFact("ip")]
    public void The_end_is_told_as_out_of_service_and_not_as_a_failure()
    {
        using var bfd = new HandmadeBfd(Fast);
        bfd.BringUp();
        bfd.Engine.Stop();
        BfdPacket last = bfd.ReceiveWhere(packet => packet.State == BfdState.AdminDown);
        Assert.Equal(BfdDiagnostic.AdministrativelyDown, last.Diagnostic);
    }

    [InteropFact("ip")]
    public void A_multihop_session_has_its_own_port_and_takes_packets_that_crossed_as_many_routers_as_allowed()
    {
        using var bfd = new HandmadeBfd(Fast with { Multihop = true, HopsMax = 3 });
        bfd.SendHops(252);
        bfd.BringUp();
        bfd.SendHops(251);
        bfd.Send(bfd.Saying(BfdState.Down));
        BirdRouter.Eventually(() => bfd.Engine.Rejected(BfdReject.Hops) == 1, "one from too far away is counted");
    }
}
