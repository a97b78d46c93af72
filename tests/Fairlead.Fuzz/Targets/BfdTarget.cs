using System.Net;
using Fairlead.Bgp.Bfd;

namespace Fairlead.Fuzz.Targets;

/// <summary>
/// BFD datagrams, one after the other, each behind an octet of milliseconds that pass before it: a session takes those
/// that are not refused, and its timers must stay sane whatever they say.
/// </summary>
public sealed class BfdTarget : IFuzzTarget
{
    private const int StepBytes = 1 + BfdPacket.Size;

    public string Name => "bfd";

    public bool IsText => false;

    public int BytesMax => 40 * StepBytes;

    public IReadOnlyList<byte[]> Tokens { get; } =
    [
        Convert.FromHexString("20400318"), Convert.FromHexString("20c00318"), Convert.FromHexString("20800318"),
        Convert.FromHexString("20e00318"), Convert.FromHexString("20d00318"), Convert.FromHexString("20c20318"),
        Convert.FromHexString("20000118"), Convert.FromHexString("0000c350"), Convert.FromHexString("000f4240"),
        Convert.FromHexString("00000000"), Convert.FromHexString("ffffffff"), Convert.FromHexString("00000001"),
    ];

    public int Run(ReadOnlySpan<byte> input)
    {
        var options = new BfdOptions { Interval = TimeSpan.FromMilliseconds(50) };
        var target = new Fairlead.Bgp.Bfd.BfdTarget("peer", IPAddress.Loopback, null, options);
        var session = new BfdSession(target, 1, new Random(1), TimeSpan.Zero);
        TimeSpan now = TimeSpan.Zero;
        var behaviour = new Behaviour();
        while (input.Length >= 2)
        {
            now += TimeSpan.FromMilliseconds(input[0]);
            ReadOnlySpan<byte> datagram = input[1..Math.Min(input.Length, StepBytes)];
            input = input[(1 + datagram.Length)..];
            BfdReject reject = BfdPacket.TryParse(datagram, out BfdPacket packet);
            behaviour.Add((int)reject);
            if (reject == BfdReject.None) Take(session, packet, now);
            if (session.Expire(now)) behaviour.Add(100);
            if (session.SendAt <= now) _ = session.Periodic(now);
            Check(session);
            behaviour.Add((int)session.State);
        }

        return behaviour.Number;
    }

    private static void Take(BfdSession session, in BfdPacket packet, TimeSpan now)
    {
        byte[] wire = new byte[BfdPacket.Size];
        packet.Write(wire);
        BrokenPromiseException.Unless(
            BfdPacket.TryParse(wire, out BfdPacket again) == BfdReject.None && again == packet,
            "a packet reads back as it was written");
        if (!session.Take(packet, now)) return;
        BfdPacket answer = session.FinalAnswer();
        BrokenPromiseException.Unless(answer is { Final: true, Poll: false }, "a final packet does not poll");
    }

    private static void Check(BfdSession session)
    {
        BrokenPromiseException.Unless(session.DetectionTime >= TimeSpan.Zero, "the detection time is a time");
        // RFC 5880 §6.8.7: never faster than three quarters of what we said, which is 50 ms at the fastest.
        BrokenPromiseException.Unless(
            session.TransmitInterval >= TimeSpan.FromMilliseconds(50), "nobody makes us send faster than we want");
        BrokenPromiseException.Unless(
            session.State == BfdState.Up || session.TransmitInterval >= TimeSpan.FromSeconds(1),
            "a session that is not up sends once a second");
    }
}
