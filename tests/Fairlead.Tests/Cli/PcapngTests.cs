using Fairlead.Api;
using Fairlead.Cli;

namespace Fairlead.Tests.Cli;

/// <summary>pcapng as draft-ietf-opsawg-pcapng draws it; in the interop tests, tcpdump reads it.</summary>
public class PcapngTests
{
    private const string Section =
        "0a0d0d0a 2c000000 4d3c2b1a 0100 0000 ffffffffffffffff 0400 0800 666169726c656164 00000000 2c000000";

    private const string Device =
        "01000000 28000000 0100 0000 00010000 0200 0400 65746830 0900 0100 09000000 00000000 28000000";

    // At 2026-11-29 22:00:00.123456789 UTC, five bytes of a frame of 60; the comment is "no".
    private const string Packet =
        "06000000 34000000 00000000 06a3ec18 158da797 05000000 3c000000 0102030405000000 0100 0200 6e6f0000 00000000 "
        + "34000000";

    [Fact]
    public void A_file_has_its_section_its_devices_and_each_packet_with_a_comment()
    {
        using var file = new MemoryStream();
        var pcapng = new Pcapng(file);
        pcapng.Begin(["eth0"], 256);
        pcapng.Write("eth0", 0x18eca30697a78d15, [1, 2, 3, 4, 5], 60, "no");
        Assert.Equal(Hex(Section + Device + Packet), Convert.ToHexStringLower(file.ToArray()));
    }

    [Fact]
    public void A_device_that_is_new_is_described_before_its_first_packet()
    {
        using var file = new MemoryStream();
        var pcapng = new Pcapng(file);
        pcapng.Begin([], 0);
        pcapng.Write("eth0", 1, [], 60, "");
        Assert.StartsWith(
            Hex(Section + Device.Replace("00010000 0200", "00000000 0200", StringComparison.Ordinal) + "06000000"),
            Convert.ToHexStringLower(file.ToArray()), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(
        "forwarded", "Forwarded", "ByFormer", 12, "10.0.0.1", "forwarded to 10.0.0.1: ByFormer, slot 12 Steady")]
    [InlineData("forwarded", "Forwarded", "ByQuicId", null, "10.0.0.1", "forwarded to 10.0.0.1: ByQuicId")]
    [InlineData("dropped", "NoBackend", null, null, null, "dropped: NoBackend")]
    [InlineData("dropped", "Unreachable", null, 3, "10.0.0.1", "dropped: Unreachable, for 10.0.0.1, slot 3 Steady")]
    public void A_decision_is_a_line(
        string verdict, string reason, string? how, int? slot, string? backend, string expected) =>
        Assert.Equal(expected, new PacketView
        {
            Time = "",
            UnixNanoseconds = 0,
            Device = "eth0",
            Length = 60,
            Verdict = verdict,
            Reason = reason,
            How = how,
            Slot = slot,
            SlotState = slot is null ? null : "Steady",
            Backend = backend,
        }.Decision());

    private static string Hex(string text) => text.Replace(" ", "", StringComparison.Ordinal);
}
