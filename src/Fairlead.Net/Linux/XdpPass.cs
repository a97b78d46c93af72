namespace Fairlead.Net.Linux;

/// <summary>
/// The XDP program that lets everything pass, for a veth's end: the kernel hands it what XDP at the other end sends
/// only while a program is there.
/// </summary>
public static unsafe class XdpPass
{
    private const uint BPF_PROG_TYPE_XDP = 6;

    /// <summary>IOException when the kernel does not take it.</summary>
    public static BpfObject Load()
    {
        // r0 = XDP_PASS; exit.
        fixed (byte* code = (byte[])[0xb7, 0, 0, 0, 2, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0], license = "GPL\0"u8)
        {
            var load = new Libc.BpfAttributes
            {
                ProgramType = BPF_PROG_TYPE_XDP,
                InstructionCount = 2,
                Instructions = code,
                License = license,
            };
            return new BpfObject(BpfObject.Check(Libc.Bpf(Libc.BPF_PROG_LOAD, ref load), "a program is not loaded"));
        }
    }

    /// <summary>
    /// Puts it on a device of the calling thread's network namespace. The link ends with its last holder or pin.
    /// </summary>
    public static BpfObject Attach(BpfObject pass, string device)
    {
        (BpfObject? link, int error) = pass.AttachXdp(Libc.InterfaceIndex(device), Libc.XDP_FLAGS_DRV_MODE);
        return link ?? throw new IOException($"{device}: no XDP: errno {error}");
    }
}
